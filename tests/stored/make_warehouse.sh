#!/usr/bin/env bash
# Makes warehouse.tar.xz anew, with the `partflow` and the `python` that are on the PATH.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
cp -r "$here/partflow.toml" "$here/shop_stored" "$root"
cd "$root"

mkdir -p landing/sales
for n in 1 2 3; do printf 'n\n%s\n' "$n" > "landing/sales/2024-01-0$n.csv"; done
partflow materialize +sent -p 2024-01-02 --with-effects
partflow materialize
printf 'n\n20\n' > landing/sales/2024-01-02.csv
partflow materialize
partflow rollback put_back -p 2024-01-02 --yes
python - <<'PYTHON'
import polars as pl
pl.DataFrame({"n": [99]}).write_parquet("warehouse/edited/date=2024-01-03/data.parquet")
PYTHON
partflow accept edited -p 2024-01-03 --yes
BROKEN=1 partflow backfill brittle || true
printf 'n\n10\n' > landing/sales/2024-01-01.csv
partflow plan with_grains --out saved-plan.json

# What would say where it was made, and what is made anew at once.
python - "$root" <<'PYTHON'
import sqlite3, sys
with sqlite3.connect("warehouse/.partflow/metastore.sqlite") as c:
    c.execute("update runs set host = 'machine', owner = 'somebody'")
    c.execute("update steps set message = replace(message, ?, '/shop')", sys.argv[1:])
    c.execute("update partitions set failure = replace(failure, ?, '/shop')", sys.argv[1:])
c.execute("vacuum")
PYTHON
rm -rf warehouse/catalog.duckdb warehouse/.partflow/columns
tar --sort=name --owner=0 --group=0 --numeric-owner -cJf "$here/warehouse.tar.xz" landing saved-plan.json warehouse
rm -rf "$root"
