package ordinary

// profile is a policy, and what its rules amount to when somebody applies them
// to the data by hand.
type profile struct {
	name    string
	rules   map[string]any
	applied string
	at      target // a credential that is held to it
}

func (p *profile) byHand() string { return "by_hand_" + p.name }

func mask(table, column, kind string) map[string]any {
	return map[string]any{"table": table, "column": column, "kind": kind}
}

func filter(table, predicate string) map[string]any {
	return map[string]any{"table": table, "predicate": predicate}
}

// Rows of a filtered table are referred to by others in TPC-H; the constraint
// goes before they do.
var (
	shop = &profile{
		name: "shop",
		rules: map[string]any{
			"masking_rules": []any{mask("public.supplier", "s_address", "redact")},
			"row_filters":   []any{filter("public.orders", "o_orderpriority <> '5-LOW'")},
		},
		applied: `alter table lineitem drop constraint lineitem_l_orderkey_fkey;
			delete from orders where not (o_orderpriority <> '5-LOW');
			update supplier set s_address = '[redacted]'`,
	}
	lines = &profile{
		name: "lines",
		rules: map[string]any{
			"masking_rules": []any{mask("supplier", "s_address", "hash")},
			"row_filters":   []any{filter("lineitem", "l_shipmode IN ('AIR', 'AIR REG', 'MAIL', 'SHIP') AND l_quantity > 5")},
		},
		applied: `delete from lineitem where not (l_shipmode in ('AIR', 'AIR REG', 'MAIL', 'SHIP') and l_quantity > 5);
			drop view supplier_addresses;
			alter table supplier alter s_address type text;
			update supplier set s_address = encode(sha256(convert_to(s_address, 'UTF8')), 'hex')`,
	}
	people = &profile{
		name: "people",
		rules: map[string]any{
			"masking_rules": []any{mask("public.supplier", "s_address", "null")},
			"row_filters":   []any{filter("public.customer", "c_mktsegment IN ('BUILDING', 'MACHINERY') OR c_nationkey < 8"), filter("public.supplier", "s_nationkey <> 8")},
		},
		applied: `alter table orders drop constraint orders_o_custkey_fkey;
			alter table partsupp drop constraint partsupp_ps_suppkey_fkey;
			delete from customer where not (c_mktsegment in ('BUILDING', 'MACHINERY') or c_nationkey < 8);
			delete from supplier where not (s_nationkey <> 8);
			alter table supplier alter s_address drop not null;
			update supplier set s_address = null`,
	}
	policies = []*profile{shop, lines, people}

	// accounts has its rules about the table that pgbench reads.
	accounts = &profile{
		name: "accounts",
		rules: map[string]any{
			"masking_rules": []any{mask("pgbench_accounts", "filler", "redact")},
			"row_filters":   []any{filter("pgbench_accounts", "bid < 1000000")},
		},
	}
)
