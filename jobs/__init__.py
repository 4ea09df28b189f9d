"""The flagship: two years of bicycle rentals and weather become a demand forecast, day by day.

Each module declares its datasets beside the functions that make them. In the order in which data
flows: `rentals` and `weather` fetch and clean; `demand` joins them, and `quality` says which days
are fit to be learned from; `features` is what is known of a day at its midnight, and `lessons` that
with what came of it. `linear` and `tree` are the two models; `candidates` is what each says, beside
a baseline and with a `weather_forecast` that errs; `forecast` is their mean, put right, with an
interval. `backtest` and `champion` judge, `model_card` describes, `service` deploys, `issued` keeps
what was first said. `hours`, `calendar`, `errors`, `threads`, `systems` and `deployment` are what
these share.

`weather_dashboard` is a second, small pipeline that starts from the first one's clean weather.
Where the data comes from stands in `data/SOURCE.md`.
"""
