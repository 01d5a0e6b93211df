"""Takes a connection from a pool, changes it, gives it back and takes it again.

The argument names the pool. Each one has a connection at most, and resets it in
the way that its documentation says. Prints what the second user of the
connection finds.
"""
import asyncio
import os
import sys

URL = os.environ["PGBEAM_TEST_URL"]


class Asyncpg:
    """asyncpg resets by itself, and asks for types that it does not know."""

    def __init__(self):
        import asyncpg

        async def pool():
            return await asyncpg.create_pool(URL, min_size=1, max_size=1)

        self.loop = asyncio.new_event_loop()
        self.pool = self.run(pool())

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def take(self):
        self.connection = self.run(self.pool.acquire())
        return lambda sql: self.run(self.connection.fetchval(sql))

    def give(self):
        self.run(self.pool.release(self.connection))

    def extras(self):
        rows = self.run(self.pool.fetch("select name, mood, home, seats, days, tags, notes from staff order by id"))
        print("types:", *[tuple(r.values()) for r in rows])

    def close(self):
        self.run(self.pool.close())
        self.loop.close()


class SQLAlchemy:
    def __init__(self, driver):
        import sqlalchemy as sa

        url = sa.make_url(URL).set(drivername="postgresql+" + driver)
        self.engine = sa.create_engine(url, pool_size=1, max_overflow=0, pool_reset_on_return=None, pool_pre_ping=True)
        sa.event.listen(self.engine, "reset", self.reset)
        self.text = sa.text

    def reset(self, connection, record, state):
        if not state.terminate_only:
            connection.rollback()
            cursor = connection.cursor()
            for sql in ["CLOSE ALL", "RESET ALL", "SELECT pg_advisory_unlock_all()"]:
                cursor.execute(sql)
            connection.commit()

    def take(self):
        self.connection = self.engine.connect()
        return self.ask

    def ask(self, sql):
        try:
            result = self.connection.execute(self.text(sql))
        except Exception:
            self.connection.rollback()
            raise
        value = result.scalar() if result.returns_rows else None
        self.connection.commit()
        return value

    def give(self):
        self.connection.close()

    def close(self):
        self.engine.dispose()


class SQLAlchemyAsync(SQLAlchemy):
    def __init__(self):
        import sqlalchemy as sa
        from sqlalchemy.ext.asyncio import create_async_engine

        # asyncpg takes the names of libpq in a URL of its own alone.
        self.loop = asyncio.new_event_loop()
        self.engine = create_async_engine("postgresql+asyncpg://", async_creator=self.connect, pool_size=1, max_overflow=0, pool_reset_on_return=None)
        sa.event.listen(self.engine.sync_engine, "reset", self.reset)
        self.text = sa.text

    def connect(self):
        import asyncpg

        return asyncpg.connect(URL)

    def reset(self, connection, record, state):
        if not state.terminate_only:
            connection.rollback()
            connection.run_async(lambda driver: driver.reset())

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def take(self):
        self.connection = self.run(self.engine.connect())
        return self.ask

    def ask(self, sql):
        try:
            result = self.run(self.connection.execute(self.text(sql)))
        except Exception:
            self.run(self.connection.rollback())
            raise
        value = result.scalar() if result.returns_rows else None
        self.run(self.connection.commit())
        return value

    def give(self):
        self.run(self.connection.close())

    def close(self):
        self.run(self.engine.dispose())
        self.loop.close()


class Psycopg:
    def __init__(self, reset, autocommit):
        from psycopg_pool import ConnectionPool

        self.pool = ConnectionPool(URL, min_size=1, max_size=1, reset=reset, kwargs={"autocommit": autocommit, "prepare_threshold": 0}, open=True)

    @staticmethod
    def discard_all(connection):
        connection.execute("DISCARD ALL")

    @staticmethod
    def reset_all(connection):
        connection.execute("RESET ALL")
        connection.commit()

    def take(self):
        self.connection = self.pool.getconn()
        return self.ask

    def ask(self, sql):
        try:
            cursor = self.connection.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None
        finally:
            if not self.connection.autocommit:
                self.connection.rollback() if self.connection.info.transaction_status == 3 else self.connection.commit()

    def give(self):
        self.pool.putconn(self.connection)

    def close(self):
        self.pool.close()


class Django:
    """Django's own pool, models and cursors on the server."""

    def __init__(self):
        import psycopg
        from django.conf import settings

        of = psycopg.conninfo.conninfo_to_dict(URL)
        options = {k: v for k, v in of.items() if k not in ("user", "password", "host", "port", "dbname")}
        settings.configure(
            USE_TZ=True, TIME_ZONE="America/Lima", INSTALLED_APPS=["django.contrib.contenttypes"], DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            DATABASES={"default": {
                "ENGINE": "django.db.backends.postgresql", "NAME": of["dbname"], "USER": of["user"], "PASSWORD": of["password"],
                "HOST": of["host"], "PORT": of["port"], "OPTIONS": options | {"pool": {"min_size": 1, "max_size": 1, "reset": Psycopg.reset_all}},
            }},
        )
        import django

        django.setup()
        from django.db import connection, models

        class Supplier(models.Model):
            key = models.IntegerField(primary_key=True, db_column="s_suppkey")
            name = models.CharField(max_length=25, db_column="s_name")
            address = models.CharField(max_length=40, db_column="s_address")

            class Meta:
                app_label, db_table, managed = "contenttypes", "supplier", False

        class Order(models.Model):
            key = models.IntegerField(primary_key=True, db_column="o_orderkey")
            priority = models.CharField(max_length=15, db_column="o_orderpriority")
            day = models.DateField(db_column="o_orderdate")

            class Meta:
                app_label, db_table, managed = "contenttypes", "orders", False

        self.connection, self.Supplier, self.Order = connection, Supplier, Order

    def take(self):
        self.connection.ensure_connection()
        return self.ask

    def ask(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None

    def give(self):
        self.connection.close()

    def extras(self):
        from django.db import transaction
        from django.db.models import Count, Min

        print("addresses:", set(self.Supplier.objects.order_by("key").values_list("address", flat=True)))
        print("one:", self.Supplier.objects.filter(name__icontains="000000001").first().address)
        print("in parts:", len(list(self.Supplier.objects.iterator(chunk_size=3))) == self.Supplier.objects.count())
        print("priorities:", *sorted(p.strip() for p in self.Order.objects.values_list("priority", flat=True).distinct()))
        print("grouped:", *sorted(r["priority"].strip() for r in self.Order.objects.values("priority").annotate(n=Count("key"), first=Min("day"))))
        with transaction.atomic(), transaction.atomic():
            print("in a savepoint:", self.Order.objects.filter(priority__startswith="5-LOW").exists())
        print("tables:", "supplier" in self.connection.introspection.table_names())
        print("create:", refused(lambda: self.Supplier.objects.create(key=99999, name="x", address="x")))
        print("update:", refused(lambda: self.Supplier.objects.filter(key=1).update(name="x")))

    def close(self):
        self.connection.close()
        self.connection.close_pool()


POOLS = {
    "asyncpg": Asyncpg,
    "SQLAlchemy with asyncpg": SQLAlchemyAsync,
    "SQLAlchemy with psycopg": lambda: SQLAlchemy("psycopg"),
    "SQLAlchemy with psycopg2": lambda: SQLAlchemy("psycopg2"),
    "psycopg_pool, DISCARD ALL": lambda: Psycopg(Psycopg.discard_all, True),
    "psycopg_pool, RESET ALL": lambda: Psycopg(Psycopg.reset_all, False),
    "Django": Django,
}


def refused(run):
    """The SQLSTATE that a call ends with, whoever wraps it."""
    try:
        run()
    except Exception as e:
        while e is not None and not getattr(e, "sqlstate", None) and not getattr(e, "pgcode", None):
            e = getattr(e, "orig", None) or e.__cause__
        return getattr(e, "sqlstate", None) or e.pgcode
    return "no"


def main():
    pool = POOLS[sys.argv[1]]()
    ask = pool.take()
    pid, work_mem = ask("select pg_backend_pid()"), ask("show work_mem")
    ask("set work_mem = '1234kB'")
    ask("set app.tenant = 'first'")
    print("changed:", ask("show work_mem"), ask("select current_setting('app.tenant')"))
    pool.give()

    ask = pool.take()
    print("same connection:", ask("select pg_backend_pid()") == pid)
    print("as after the login:", ask("show work_mem") == work_mem, repr(ask("select current_setting('app.tenant', true)")))
    print("address:", ask("select s_address from supplier where s_suppkey = 1"))
    print("filtered:", ask("select count(*) from orders where o_orderpriority = '5-LOW'"))
    print("writes:", refused(lambda: ask("delete from orders where o_orderkey = 1")))
    print("names:", ask("show search_path"), "reading only:", ask("show default_transaction_read_only"))
    pool.give()
    if hasattr(pool, "extras"):
        pool.extras()
    pool.close()


main()
