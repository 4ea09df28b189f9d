"""Knows which names of Python, of libraries and of SQL bring in what no text of the project says.

Files, programs, addresses, other code, the clock and the environment. It does not know where in a
project such a name stands.
"""

import ast
import re
from collections.abc import Iterator
from typing import Final


def words_of(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_BUILTINS: Final = words_of("""
    __import__ compile eval exec getattr globals input locals open vars
    """)

_ENVIRONMENT: Final = """
    os.environ os.environb os.getenv os.getcwd os.getlogin os.getuid os.uname os.path.expanduser
    os.path.expandvars pathlib.Path.cwd pathlib.Path.home platform getpass.getuser sys.argv
    sys.stdin locale.getlocale locale.getdefaultlocale dotenv decouple environs
"""
_CODE: Final = """
    importlib.import_module importlib.reload importlib.__import__ importlib.machinery
    importlib.util.spec_from_file_location importlib.util.module_from_spec
    sys.modules sys._getframe inspect.currentframe inspect.stack
    importlib.metadata.entry_points runpy zipimport pkgutil.iter_modules pkgutil.walk_packages
    pkgutil.resolve_name dill.load cloudpickle.load
"""
_PROGRAMS: Final = """
    os.popen os.system os.execv os.execve os.execvp os.execl os.spawnv os.spawnl os.posix_spawn
    subprocess asyncio.create_subprocess_exec asyncio.create_subprocess_shell ctypes.CDLL
    ctypes.cdll cffi socket urllib.request urllib3 http.client ftplib imaplib poplib requests httpx
    aiohttp boto3 s3fs gcsfs paramiko psycopg psycopg2 pymysql pyodbc oracledb
    sqlalchemy.create_engine
"""
_FILES: Final = """
    io.open io.FileIO os.open os.listdir os.scandir os.walk os.stat os.path.exists os.path.isfile
    os.path.isdir os.path.getmtime os.path.getsize glob.glob glob.iglob linecache fileinput
    pkgutil.get_data importlib.resources configparser.ConfigParser configparser.RawConfigParser
    mmap.mmap shelve dbm sqlite3.connect zipfile.ZipFile tarfile gzip.open bz2.open lzma.open
    codecs.open tokenize.open numpy.load numpy.loadtxt numpy.genfromtxt numpy.fromfile numpy.memmap
    joblib.load torch.load skops.io.load h5py.File netCDF4.Dataset xarray.open_dataset
    PIL.Image.open cv2.imread imageio.imread openpyxl.load_workbook pyarrow.parquet pyarrow.dataset
    pyarrow.csv pyarrow.feather pyarrow.json pyarrow.memory_map pyarrow.OSFile fsspec smart_open
    duckdb.from_csv_auto duckdb.from_parquet duckdb.table_function
    deltalake jinja2.FileSystemLoader jinja2.PackageLoader mako.lookup yaml.full_load_file toml.load
"""
_CLOCK: Final = """
    time.time time.time_ns time.ctime time.localtime time.gmtime time.strftime datetime.datetime.now
    datetime.datetime.utcnow datetime.datetime.today datetime.date.today pandas.Timestamp.now
    pandas.Timestamp.utcnow pandas.Timestamp.today pendulum.now pendulum.today pendulum.tomorrow
    pendulum.yesterday arrow.now arrow.utcnow
"""
_LIBRARIES: Final = words_of(f"{_ENVIRONMENT} {_CODE} {_PROGRAMS} {_FILES} {_CLOCK}")
_LOOKED_AT: Final = words_of("os.environ os.environb sys.argv sys.stdin sys.modules")
"""Names that bring something in without being called; others do where they are called."""
_GIVEN_FILES: Final = words_of("""
    csv json logging marshal orjson partflow pickle plistlib simplejson tomli tomllib ujson yaml
    webbrowser
""")
"""Libraries that are handed what was opened, or that read nothing."""
_READING_CALLS: Final = words_of("load open connect read urlopen")
_FILE_ARGUMENTS: Final = words_of("model_file filename file_name filepath file_path path_or_buf")
_READING: Final = ("read_", "scan_", "load_", "fetch_", "open_")
_READERS: Final = ("read_", "scan_")
"""How the names of functions begin that whoever is handed them may call."""
# With so many arguments these do not ask the clock.
_GIVEN_A_TIME: Final = {"time.localtime": 1, "time.gmtime": 1, "time.ctime": 1, "time.strftime": 2}
_OF_THE_MACHINE: Final = {
    "datetime.datetime.fromtimestamp": 2,
    "datetime.date.fromtimestamp": 2,
    "time.mktime": 2,
}
"""What goes by the machine's zone, given fewer arguments."""
_TAKING_NOW: Final = frozenset(["numpy.datetime64", "pandas.Timestamp", "pandas.to_datetime"])
_OUTSIDE_METHODS: Final = words_of("""
    open exists is_file is_dir iterdir rglob glob stat samefile read_csv read_json read_parquet
    from_csv_auto from_parquet
    """)
_ALWAYS_OUTSIDE_METHODS: Final = frozenset(["read_text", "read_bytes"])

_IS_SQL: Final = re.compile(r"(?i)\b(select|summarize|pivot|attach|copy)\b|^\s*from\b")
_IS_QUERY: Final = re.compile(r"(?is)\bselect\b.*\bfrom\b|^\s*from\s+\w+\s*$")
_SQL_FILE: Final = re.compile(
    r"(?i)\b(?:from|join|attach|summarize|describe)\s+(?:database\s+)?'([^']+)'|"
    r"\bcopy\s+\S+\s+from\s+'([^']+)'"
)
_ENDING: Final = r"\.(?:csv|tsv|parquet|json|jsonl|ndjson|xlsx|arrow|feather)(?:\.(?:gz|zst))?"
_SQL_FILE_BY_ENDING: Final = re.compile(
    rf"(?i)(?:\b(?:from|join)|,)\s*(?:'([^']+{_ENDING})'|\"([^\"]+{_ENDING})\"|([\w./]+{_ENDING})\b)"
)
_SQL_FILE_PUT_IN: Final = re.compile(
    r"(?i)\b(?:from|join|attach)\s+(?:[^'()]*,\s*)?(?:database\s+)?'$"
)
"""What is before a file's name in an f-string, or in a text to which the name is added."""
_SQL_READ: Final = re.compile(
    r"(?i)\b(read_\w+|parquet_scan|sniff_csv|glob|st_read|delta_scan|iceberg_scan|sqlite_scan|"
    r"postgres_scan|mysql_scan|getenv)\s*\("
)
_SQL_CLOCK: Final = re.compile(
    r"(?i)\b(now|today|get_current_timestamp|get_current_time|transaction_timestamp)\s*\(\s*\)|"
    r"\b(current_date|current_timestamp|current_time|localtimestamp|localtime)\b"
)


def is_opaque_builtin(name: str, call: ast.Call | None) -> bool:
    """Whether a builtin, perhaps called, can bring in what the text does not say."""
    return name in _BUILTINS and not (name == "open" and _only_writes(call, 1))


def is_opaque(name: str, call: ast.Call | None) -> bool:
    """Whether a library's dotted name is such, or lies in one that is (`os.environ.get`)."""
    parts = name.split(".")
    known = next((k for k in map(".".join, _beginnings(parts)) if k in _LIBRARIES), None)
    if known is not None:
        if call is None:
            # A function handed on may be called; `subprocess.PIPE` and `requests.Session` not.
            return known in _LOOKED_AT or parts[-1].islower()
        least = _GIVEN_A_TIME.get(known)
        return (least is None or len(call.args) < least) and not _only_writes(call, 1)
    if call is None:
        return parts[0] not in _GIVEN_FILES and parts[-1].startswith(_READERS)
    if name == "duckdb.connect":
        return bool(call.args or call.keywords)
    if name in _OF_THE_MACHINE:
        return len(call.args) + len(call.keywords) < _OF_THE_MACHINE[name]
    if name in _TAKING_NOW:
        return any(isinstance(a, ast.Constant) and a.value in {"now", "today"} for a in call.args)
    if parts[0] in _GIVEN_FILES:
        return False
    return (
        parts[-1].startswith(_READING)
        or parts[-1] in _READING_CALLS
        or any(keyword.arg in _FILE_ARGUMENTS for keyword in call.keywords)
    )


def is_outside_method(name: str, call: ast.Call, *, of_anything: bool) -> bool:
    """Whether a method of this name reads files, or the machine's zone, whatever it is of."""
    if name in _ALWAYS_OUTSIDE_METHODS:
        return True
    if name == "astimezone":
        return not call.args and not call.keywords
    return (
        of_anything and name in _OUTSIDE_METHODS and not (name == "open" and _only_writes(call, 0))
    )


def is_query(text: str) -> bool:
    """Whether a text reads like SQL that names tables, wherever it is handed to."""
    return "from" in text.lower() and bool(_IS_QUERY.search(text))


def in_sql(text: str) -> Iterator[str]:
    """What a text of SQL reads beside tables, in words; nothing of what is no SQL."""
    if not _IS_SQL.search(text):
        return
    matches = [*_SQL_FILE.finditer(text), *_SQL_FILE_BY_ENDING.finditer(text)]
    for file in dict.fromkeys(next(filter(None, match.groups())) for match in matches):
        yield f"SQL that reads {file!r}"
    if _SQL_FILE_PUT_IN.search(text):
        yield "SQL that reads a file whose name is put in"
    for match in _SQL_READ.finditer(text):
        yield f"SQL that calls {match.group(1).lower()}(...)"
    for match in _SQL_CLOCK.finditer(text):
        yield f"SQL that asks the clock: {(match.group(1) or match.group(2)).lower()}"


def _beginnings(parts: list[str]) -> Iterator[list[str]]:
    return (parts[:n] for n in range(1, len(parts) + 1))


def _only_writes(call: ast.Call | None, position: int) -> bool:
    """Whether a call opens for writing: such a file is no constant that a task reads."""
    if call is None:
        return False
    modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    modes += call.args[position : position + 1]
    texts = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
    writing = ("w", "a", "x")
    return any(isinstance(text, str) and text[:1] in writing and text.isalpha() for text in texts)
