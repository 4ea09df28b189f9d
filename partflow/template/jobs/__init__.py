"""The pipelines of this project: partflow imports every module in here."""
