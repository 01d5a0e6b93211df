"""Prepares a statement, and runs it again for each line that it is sent.

The argument names the driver. Nothing of a driver's own way to get over a
statement that has changed is used or turned off.
"""
import asyncio
import os
import sys

URL = os.environ["PGBEAM_TEST_URL"]
SQL = "select s_suppkey, s_address from supplier where s_suppkey <= {} order by s_suppkey"


def shown(rows):
    return "; ".join(f"{key} {address}" for key, address in rows)


def psycopg():
    import psycopg

    with psycopg.connect(URL, autocommit=True) as connection:
        for _ in sys.stdin:
            print(shown(connection.execute(SQL.format("%s"), [2], prepare=True).fetchall()), flush=True)


def psycopg_binary():
    import psycopg

    with psycopg.connect(URL) as connection:
        for _ in sys.stdin:
            with connection.transaction(), connection.cursor(binary=True) as cursor:
                print(shown(cursor.execute(SQL.format("%s"), [2], prepare=True).fetchall()), flush=True)


def psycopg_pipeline():
    import psycopg

    with psycopg.connect(URL, autocommit=True) as connection:
        for _ in sys.stdin:
            with connection.pipeline():
                cursors = [connection.execute(SQL.format("%s"), [n], prepare=True) for n in (1, 2)]
                first, second = (shown(cursor.fetchall()) for cursor in cursors)
            print(second if second.startswith(first) else f"{first} and {second}", flush=True)


async def asyncpg():
    import asyncpg

    connection = await asyncpg.connect(URL)
    statement = await connection.prepare(SQL.format("$1"))
    for _ in sys.stdin:
        print(shown([tuple(row) for row in await statement.fetch(2)]), flush=True)
    await connection.close()


match sys.argv[1]:
    case "psycopg":
        psycopg()
    case "psycopg, binary":
        psycopg_binary()
    case "psycopg, pipeline":
        psycopg_pipeline()
    case "asyncpg":
        asyncio.run(asyncpg())
