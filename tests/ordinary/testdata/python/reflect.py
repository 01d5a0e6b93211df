"""Prints everything that SQLAlchemy can find out about a database.

The argument names the driver. One line for each answer, sorted where the
order means nothing.
"""
import os
import re
import sys

import sqlalchemy as sa
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import Session


def main():
    url = sa.make_url(os.environ["PGBEAM_TEST_URL"]).set(drivername="postgresql+" + sys.argv[1])
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)

    def tell(what, answer):
        print(what, plain(answer), sep=": ")

    tell("default schema", inspector.default_schema_name)
    tell("schemas", sorted(s for s in inspector.get_schema_names()))
    for schema in [None, "public", "sales", "information_schema"]:
        tell(f"{schema} tables", sorted(inspector.get_table_names(schema)))
        tell(f"{schema} views", sorted(inspector.get_view_names(schema)))
        tell(f"{schema} materialized views", sorted(inspector.get_materialized_view_names(schema)))
        tell(f"{schema} sequences", sorted(inspector.get_sequence_names(schema)))
        tell(f"{schema} foreign tables", sorted(inspector.get_foreign_table_names(schema)))
        tell(f"{schema} enums", inspector.get_enums(schema))
        tell(f"{schema} domains", inspector.get_domains(schema))
        tell(f"{schema} in order of foreign keys", inspector.get_sorted_table_and_fkc_names(schema))
    tell("temporary tables", inspector.get_temp_table_names())
    tell("temporary views", inspector.get_temp_view_names())

    everything = dict(kind=ObjectKind.ANY, scope=ObjectScope.ANY)
    for schema in [None, "sales"]:
        for method in [
            inspector.get_multi_columns, inspector.get_multi_pk_constraint, inspector.get_multi_foreign_keys, inspector.get_multi_indexes,
            inspector.get_multi_unique_constraints, inspector.get_multi_check_constraints, inspector.get_multi_table_comment, inspector.get_multi_table_options,
        ]:
            for key, answer in sorted(method(schema, **everything).items(), key=str):
                tell(f"{method.__name__} {key}", answer)
        for view in inspector.get_view_names(schema) + inspector.get_materialized_view_names(schema):
            tell(f"definition of {view}", inspector.get_view_definition(view, schema))
    for table in ["customer", "supplier", "orders", "staff", "no such table"]:
        tell(f"has {table}", inspector.has_table(table))
        tell(f"oid of {table}", inspector.has_table(table) and inspector.get_table_oid(table))
    for table in ["customer", "supplier", "orders", "staff"]:
        for method in [
            inspector.get_columns, inspector.get_pk_constraint, inspector.get_foreign_keys, inspector.get_indexes,
            inspector.get_unique_constraints, inspector.get_check_constraints, inspector.get_table_comment, inspector.get_table_options,
        ]:
            tell(f"{method.__name__} {table}", method(table))
        tell(f"index of {table}", inspector.has_index(table, f"{table}_pkey"))
    for sequence in ["ticket", "no such sequence"]:
        tell(f"has {sequence}", inspector.has_sequence(sequence))
    for schema in ["sales", "no such schema"]:
        tell(f"has {schema}", inspector.has_schema(schema))

    for schema in [None, "sales"]:
        metadata = sa.MetaData()
        metadata.reflect(engine, schema=schema, views=True)
        for table in sorted(metadata.tables.values(), key=str):
            tell(f"reflected {table}", list(table.columns))
    base = automap_base()
    base.prepare(autoload_with=engine)
    for name, mapped in sorted(base.classes.items()):
        tell(f"mapped {name}", sorted(sa.inspect(mapped).attrs.keys()))

    # The mapped classes work: related objects, filters, counting, streaming.
    c = base.classes
    with Session(engine) as session:
        nation = session.scalars(sa.select(c.nation).where(c.nation.n_name == "GERMANY")).one()
        tell("related", (nation.region.r_name.strip(), len(nation.customer_collection)))
        tell("counted", session.scalar(sa.select(sa.func.count()).select_from(c.part).where(c.part.p_size.in_([1, 3, 5]))))
        grouped = sa.select(c.customer.c_mktsegment, sa.func.sum(c.customer.c_acctbal)).group_by(c.customer.c_mktsegment).order_by(c.customer.c_mktsegment)
        tell("grouped", session.execute(grouped).all())
        paged = sa.select(c.part.p_name).order_by(c.part.p_partkey).limit(5).offset(10)
        tell("paged", session.scalars(paged).all())
    with engine.connect().execution_options(stream_results=True, max_row_buffer=100) as connection:
        tell("streamed", sum(1 for _ in connection.execute(sa.text("select p_partkey from part, region"))))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        tell("by itself", connection.execute(sa.text("select 1")).scalar())
    # psycopg2 sets these for the whole session, which a policy refuses.
    if sys.argv[1] == "psycopg":
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            tell("isolation", connection.execute(sa.text("show transaction_isolation")).scalar())
        with engine.connect().execution_options(postgresql_readonly=True, postgresql_deferrable=True, isolation_level="SERIALIZABLE") as connection:
            tell("read only", connection.execute(sa.text("show transaction_read_only")).scalar())


def plain(value):
    """The same text for the same answer, whatever the order of its keys."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {plain(v)}" for k, v in sorted(value.items(), key=str)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(plain(v) for v in value) + "]"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


main()
