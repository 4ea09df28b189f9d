"""The flagship: two years of bicycle rentals and weather become a demand forecast, day by day.

Start with `rentals.py`, then `weather.py`, `demand.py` and `forecast.py`; each declares its
datasets beside the functions that make them. `weather_dashboard.py` is a second, small pipeline
that starts from the first one's clean weather. Where the data comes from stands in
`data/SOURCE.md`.
"""
