import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** Takes a connection from HikariCP's pool, changes it, gives it back, takes it again and prints what it finds. */
public final class Pool {
    public static void main(String[] args) throws Exception {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(args[0]);
        config.setUsername(args[1]);
        config.setPassword(System.getenv("PGBEAM_TEST_PASSWORD"));
        config.setMaximumPoolSize(1);
        config.setConnectionInitSql("SET SESSION AUTHORIZATION DEFAULT; RESET ALL; SET TIME ZONE 'UTC'; SET client_min_messages TO warning");
        config.setConnectionTestQuery("SELECT 1");
        config.setReadOnly(true);
        config.addDataSourceProperty("prepareThreshold", "1");
        try (HikariDataSource pool = new HikariDataSource(config)) {
            String pid;
            String workMem;
            try (Connection c = pool.getConnection()) {
                pid = ask(c, "select pg_backend_pid()");
                workMem = ask(c, "show work_mem");
                run(c, "set work_mem = '1234kB'");
                run(c, "set app.tenant = 'first'");
                System.out.println("changed: " + ask(c, "show work_mem") + " " + ask(c, "select current_setting('app.tenant')"));
                // One by one, in one batch of the extended protocol: so does the driver with a text of several statements.
                run(c, "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP");
                run(c, "DISCARD ALL");
            }
            try (Connection c = pool.getConnection()) {
                System.out.println("same connection: " + python(ask(c, "select pg_backend_pid()").equals(pid)));
                System.out.println("as after the login: " + python(ask(c, "show work_mem").equals(workMem)) + " '" + ask(c, "select current_setting('app.tenant', true)") + "'");
                c.setAutoCommit(false);
                System.out.println("address: " + ask(c, "select s_address from supplier where s_suppkey = 1"));
                System.out.println("filtered: " + ask(c, "select count(*) from orders where o_orderpriority = '5-LOW'"));
                try {
                    run(c, "delete from orders where o_orderkey = 1");
                    System.out.println("writes: no");
                } catch (SQLException e) {
                    System.out.println("writes: " + e.getSQLState());
                }
                c.rollback();
                System.out.println("names: " + ask(c, "show search_path") + " reading only: " + ask(c, "show default_transaction_read_only"));
                c.commit();
            }
        }
    }

    private static String ask(Connection connection, String sql) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql); ResultSet result = statement.executeQuery()) {
            result.next();
            return result.getString(1);
        }
    }

    private static void run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static String python(boolean yes) {
        return yes ? "True" : "False";
    }
}
