"""Asks a database everything that pgAdmin asks to show it.

The argument is the folder with pgAdmin's templates of SQL. Each that reads is
rendered for one object of its kind, and once more for all of them, as pgAdmin
does for its tree. Prints one line of JSON for each answer.
"""
import collections
import json
import os
import re
import sys

import psycopg
from jinja2 import Environment, FileSystemLoader, TemplateError
from psycopg import sql

# Templates for other products than PostgreSQL, for add-ons that the database
# does not have, and those that change something.
ELSEWHERE = re.compile(
    r"/(ppas|dbms_\w+|edb\w+|packages|synonyms|resource_groups|pgd_\w+|pgagent|debugger|tests|directories|replica_nodes|schema_diff)(/|$)"
    r"|/(create|update|delete|insert|grant|alter|reset_stats|truncate|refresh|reassign_own|pgd_\w+)\.sql$")
VERSION = re.compile(r"/(default|\d+_plus)(?=/)")
READING = re.compile(r"(select|with|show|explain)\b", re.I)
COMMENT = re.compile(r"\s*(--[^\n]*\n|/\*.*?\*/)*\s*", re.S)

# What pgAdmin does first on every connection.
LOGIN = [
    "SET DateStyle=ISO; SET client_min_messages=notice; "
    "SELECT set_config('bytea_output','hex',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'; SET client_encoding='utf-8';",
    "SELECT version()",
    "SELECT oid, datname, datallowconn, pg_encoding_to_char(encoding), has_database_privilege(oid, 'CREATE') FROM pg_catalog.pg_database WHERE datname = current_database()",
    "SELECT gss_authenticated, encrypted FROM pg_catalog.pg_stat_gssapi WHERE pid = pg_backend_pid()",
    "SELECT r.oid, r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb FROM pg_catalog.pg_roles r WHERE r.rolname = current_user",
]

# Objects by the names that the templates have for them.
OBJECTS = {
    "did": "SELECT oid FROM pg_database WHERE datname = current_database()",
    "scid": "SELECT 'public'::regnamespace::oid",
    "tid": "SELECT 'staff'::regclass::oid",
    "vid": "SELECT 'open_orders'::regclass::oid",
    "seid": "SELECT 'ticket'::regclass::oid",
    "foid": "SELECT 'stock'::regclass::oid",
    "fnid": "SELECT 'add(int, int)'::regprocedure::oid",
    "agid": "SELECT 'total(int)'::regprocedure::oid",
    "opid": "SELECT oid FROM pg_operator WHERE oprname = '==='",
    "doid": "SELECT 'positive'::regtype::oid",
    "coid": "SELECT oid FROM pg_collation WHERE collname = 'german'",
    "cid": "SELECT oid FROM pg_constraint WHERE conname = 'not_own_boss'",
    "fkid": "SELECT oid FROM pg_constraint WHERE conname = 'staff_boss_fkey'",
    "exid": "SELECT oid FROM pg_constraint WHERE conname = 'staff_days_excl'",
    "idx": "SELECT 'staff_lower'::regclass::oid",
    "trid": "SELECT oid FROM pg_trigger WHERE tgname = 'staff_touch'",
    "plid": "SELECT oid FROM pg_policy WHERE polname = 'everybody'",
    "ptid": "SELECT 'sales.visit_2025'::regclass::oid",
    "rid": "SELECT oid FROM pg_roles WHERE rolname = 'oracle_reader'",
    "tsid": "SELECT oid FROM pg_tablespace WHERE spcname = 'pg_default'",
    "lid": "SELECT oid FROM pg_language WHERE lanname = 'plpgsql'",
    "fid": "SELECT oid FROM pg_foreign_data_wrapper WHERE fdwname = 'elsewhere'",
    "fsid": "SELECT oid FROM pg_foreign_server WHERE srvname = 'warehouse'",
    "pbid": "SELECT oid FROM pg_publication WHERE pubname = 'changes'",
    "etid": "SELECT oid FROM pg_event_trigger WHERE evtname = 'on_ddl'",
    "eid": "SELECT oid FROM pg_extension WHERE extname = 'plpgsql'",
    "cfgid": "SELECT oid FROM pg_ts_config WHERE cfgname = 'plain'",
    "dcid": "SELECT oid FROM pg_ts_dict WHERE dictname = 'plain_words'",
    "castid": "SELECT oid FROM pg_cast WHERE castsource = 'mood'::regtype",
    "typeid": "SELECT 'address'::regtype::oid",
    "ruleid": "SELECT oid FROM pg_rewrite WHERE rulename = 'no_deletes'",
    "parserid": "SELECT oid FROM pg_ts_parser WHERE prsname = 'default'",
    "templateid": "SELECT oid FROM pg_ts_template WHERE tmplname = 'simple'",
    "matviewid": "SELECT 'revenue_by_nation'::regclass::oid",
}

# Where a name means another kind of object.
MEANINGS = {
    "/types/templates/types/": {"tid": "typeid", "name": "address"},
    "/casts/": {"cid": "castid"},
    "/rules/": {"rid": "ruleid", "tid": "tid"},
    "/fts_parsers/": {"pid": "parserid"},
    "/fts_templates/": {"tid": "templateid"},
    "/mviews/": {"vid": "matviewid"},
    "/partitions/": {"tid": "tid"},
}

TEXTS = {
    "name": "staff", "schema": "public", "schema_name": "public", "nspname": "public", "sname": "public", "tname": "staff", "table": "staff", "table_name": "staff",
    "table_nspname": "public", "nsp_name": "public", "object_name": "staff", "column": "name", "basensp": "public", "pubname": "changes", "pname": "changes", "rule_name": "no_deletes",
    "datlastsysoid": 16383, "last_system_oid": 16383, "lastsysoid": 16383, "showsysobj": False, "show_system_objects": False, "show_sys_objects": False, "show_sysobj": False,
    "server_type": "pg", "constraint_type": "p", "type": "int4", "indextype": "btree", "colcnt": 1, "schema_names": "'public', 'sales'", "is_pgstattuple": False,
    "where": "WHERE dep.objid = 0", "search_text": "%staff%", "obj_type": "all", "show_node_prefs": collections.defaultdict(lambda: True), "fetch_database": True, "fetch_dependents": True, "upper_case": False,
    "skip_obj_type": [], "chart_names": ["session_stats", "tps_stats", "ti_stats", "to_stats", "bio_stats"], "limit": 10, "search_path": True, "keys": [], "condition": "typtype = 'b'",
    "add_serials": True, "typname": "address", "trgtyp": "integer", "srctyp": "mood", "datatype": "positive", "subtype": "integer", "opcintype": True, "get_opcintype": True, "show_internal": True,
}


def one(connection, statement):
    row = connection.execute(statement).fetchone()
    return row and row[0]


def quoted(connection, *parts):
    return ".".join(sql.Identifier(str(p)).as_string(connection) for p in parts if str(p))


def templates(root, server):
    """The newest template for the server of every kind, as its path from root."""
    best = {}
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)[len(root):]
            if not name.endswith(".sql") or "/templates/" not in path or ELSEWHERE.search(path):
                continue
            version = VERSION.search(path)
            number = 0 if version is None or version[1] == "default" else int(version[1].split("_")[0]) * 10000
            key = VERSION.sub("", path)
            if number <= server and number >= best.get(key, (0, ""))[0]:
                best[key] = (number, path)
    return sorted((key, path) for key, (_, path) in best.items())


def main():
    root = sys.argv[1]
    connection = psycopg.connect(os.environ["PGBEAM_TEST_URL"], autocommit=True)
    tell = lambda name, answer: print(json.dumps([name, answer], default=str))

    def ask(name, statement):
        try:
            cursor = connection.execute(statement.encode())
            rows = []
            while True:
                if cursor.description:
                    rows.append([[str(v) for v in row] for row in cursor.fetchall()])
                if not cursor.nextset():
                    break
            tell(name, {"rows": rows})
        except psycopg.Error as error:
            tell(name, {"error": f"{error.sqlstate} {error.diag.message_primary}"})

    for i, statement in enumerate(LOGIN):
        ask(f"login {i}", statement)

    ids = {name: one(connection, statement) for name, statement in OBJECTS.items()}
    folders = sorted({folder for folder, names, _ in os.walk(root) if os.path.basename(folder) == "templates" and not ELSEWHERE.search(folder)})
    environment = Environment(loader=FileSystemLoader(folders), extensions=["jinja2.ext.do"])
    environment.filters.update(
        qtLiteral=lambda value, conn, force_quote=False: sql.Literal(str(value) if force_quote else value).as_string(conn).strip(),
        qtIdent=quoted, qtTypeIdent=quoted, hasAny=lambda data, keys: bool(data) and any(k in data for k in keys))

    for key, path in templates(root, connection.info.server_version):
        context = {**TEXTS, **ids, "conn": connection, "_": lambda text: text, "data": {}}
        for fragment, meanings in MEANINGS.items():
            if fragment in path:
                context.update({name: ids.get(other, other) for name, other in meanings.items()})
        # The last object in a path is what a list is of: its list is asked for
        # with the objects above it alone.
        above = {name: context[name] for name in ["conn", "_", "did", "scid", "datlastsysoid", "last_system_oid", "show_system_objects", "showsysobj"]}
        below_table = {**above, "tid": ids["tid"], "vid": ids["vid"], "fid": ids["fid"], "fsid": ids["fsid"], "doid": ids["doid"]}
        seen = set()
        for variant, values in {"one": context, "all": above, "all of one": below_table}.items():
            try:
                text = environment.from_string(open(root + path, encoding="utf-8").read()).render(values)
            except (TemplateError, TypeError, KeyError, AttributeError, ValueError, psycopg.Error):
                continue  # wants what pgAdmin has from a form that somebody filled in
            text = text.strip()
            if text in seen or not READING.match(COMMENT.sub("", text, count=1)):
                continue
            seen.add(text)
            ask(f"{key} ({variant})", text)
    connection.close()


main()
