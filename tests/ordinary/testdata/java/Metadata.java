import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Properties;

/** Prints everything that pgjdbc can find out about a database. */
public final class Metadata {
    private static final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] args) throws Exception {
        Properties login = new Properties();
        login.setProperty("user", args[1]);
        login.setProperty("password", System.getenv("PGBEAM_TEST_PASSWORD"));
        login.setProperty("ApplicationName", "metadata");
        try (Connection connection = DriverManager.getConnection(args[0], login)) {
            DatabaseMetaData metadata = connection.getMetaData();
            properties(metadata);
            lists(metadata);
            statements(connection);
        }
        out.flush();
    }

    /** What takes no argument: flags, limits, names, and the lists of the whole server. The driver has no row ids. */
    private static void properties(DatabaseMetaData metadata) throws Exception {
        List<Method> methods = new ArrayList<>(Arrays.asList(DatabaseMetaData.class.getMethods()));
        methods.sort(Comparator.comparing(Method::getName));
        for (Method m : methods) {
            if (m.getParameterCount() > 0 || m.getReturnType() == Connection.class || List.of("getURL", "getUserName", "getRowIdLifetime").contains(m.getName())) {
                continue;
            }
            print(m.getName(), m.invoke(metadata));
        }
    }

    private static void lists(DatabaseMetaData metadata) throws SQLException {
        for (String schema : new String[] {null, "public", "sales", "pg_catalog", "information_schema"}) {
            print(schema + " tables", metadata.getTables(null, schema, "%", null));
            print(schema + " schemas", metadata.getSchemas(null, schema));
        }
        print("some kinds", metadata.getTables("app", "public", "%", new String[] {"TABLE", "PARTITIONED TABLE", "VIEW", "FOREIGN TABLE", "MATERIALIZED VIEW"}));
        for (String schema : new String[] {"public", "sales"}) {
            print(schema + " columns", metadata.getColumns(null, schema, "%", "%"));
            print(schema + " functions", metadata.getFunctions(null, schema, "%"));
            print(schema + " function columns", metadata.getFunctionColumns(null, schema, "%", "%"));
            print(schema + " procedures", metadata.getProcedures(null, schema, "%"));
            print(schema + " procedure columns", metadata.getProcedureColumns(null, schema, "%", "%"));
            print(schema + " types", metadata.getUDTs(null, schema, "%", null));
            print(schema + " privileges", metadata.getTablePrivileges(null, schema, "%"));
            optional(schema + " supertables", () -> metadata.getSuperTables(null, schema, "%"));
            optional(schema + " supertypes", () -> metadata.getSuperTypes(null, schema, "%"));
            optional(schema + " attributes", () -> metadata.getAttributes(null, schema, "%", "%"));
            optional(schema + " pseudo columns", () -> metadata.getPseudoColumns(null, schema, "%", "%"));
        }
        for (String table : new String[] {"customer", "supplier", "orders", "lineitem", "staff", "revenue_by_nation"}) {
            print(table + " primary key", metadata.getPrimaryKeys(null, "public", table));
            print(table + " refers to", metadata.getImportedKeys(null, "public", table));
            print(table + " referred to by", metadata.getExportedKeys(null, "public", table));
            print(table + " indexes", metadata.getIndexInfo(null, "public", table, false, true));
            print(table + " best row identifier", metadata.getBestRowIdentifier(null, "public", table, DatabaseMetaData.bestRowSession, true));
            print(table + " version columns", metadata.getVersionColumns(null, "public", table));
            print(table + " column privileges", metadata.getColumnPrivileges(null, "public", table, "%"));
        }
        print("all references", metadata.getCrossReference(null, null, null, null, null, null));
    }

    /** What applications do with a connection beside asking about it. */
    private static void statements(Connection connection) throws SQLException {
        print("valid", connection.isValid(5));
        print("schema", connection.getSchema());
        print("catalog", connection.getCatalog());
        try (PreparedStatement query = connection.prepareStatement(
                "select c_name, c_acctbal, ?::text as given from customer where c_custkey between ? and ? order by c_custkey")) {
            ResultSetMetaData columns = query.getMetaData();
            for (int i = 1; i <= columns.getColumnCount(); i++) {
                print("column " + i, columns.getColumnName(i) + " of " + columns.getColumnTypeName(i) + "(" + columns.getPrecision(i) + ") " + columns.isNullable(i));
            }
            ParameterMetaData parameters = query.getParameterMetaData();
            print("parameters", parameters.getParameterTypeName(1) + " " + parameters.getParameterTypeName(2));
            for (int round = 0; round < 8; round++) { // the driver names the statement after the fifth
                query.setString(1, "round " + round);
                query.setInt(2, round);
                query.setInt(3, round + 2);
                print("round " + round, query.executeQuery());
            }
        }
        connection.setReadOnly(true);
        connection.setAutoCommit(false);
        try (Statement cursor = connection.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY)) {
            cursor.setFetchSize(100); // rows come through a portal, a hundred at a time
            cursor.setMaxRows(450);
            cursor.setQueryTimeout(60);
            print("in portions", cursor.executeQuery("select l_orderkey, l_linenumber, l_comment from lineitem, region where r_regionkey < 2 order by 1, 2, r_regionkey"));
        }
        try (Statement failing = connection.createStatement()) {
            java.sql.Savepoint before = connection.setSavepoint();
            try {
                failing.executeQuery("select 1 / 0");
            } catch (SQLException e) {
                print("division by zero", e.getSQLState());
            }
            connection.rollback(before);
            print("goes on", failing.executeQuery("select count(*) from part"));
        }
        connection.commit();
        connection.setAutoCommit(true);
    }

    private interface Answer {
        ResultSet get() throws SQLException;
    }

    /** pgjdbc does not implement every list; that must stay the only difference. */
    private static void optional(String what, Answer answer) throws SQLException {
        try {
            print(what, answer.get());
        } catch (SQLFeatureNotSupportedException e) {
            out.println(what + ": not implemented by the driver");
        }
    }

    private static void print(String what, Object value) throws SQLException {
        if (!(value instanceof ResultSet)) {
            out.println(what + ": " + value);
            return;
        }
        try (ResultSet rows = (ResultSet) value) {
            int columns = rows.getMetaData().getColumnCount();
            while (rows.next()) {
                List<String> row = new ArrayList<>();
                for (int i = 1; i <= columns; i++) {
                    row.add(rows.getString(i));
                }
                out.println(what + ": " + row);
            }
        }
    }
}
