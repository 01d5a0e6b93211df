package policy

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// needle is a form of a hidden value as it would look among the bytes that a
// client receives.
type needle struct {
	of    string // the value
	form  string // for people
	bytes []byte
	exact bool // letter case counts
}

// hides finds the values of the fixture that a profile must not show, by
// asking PostgreSQL: those of masked columns, of the rows that no filter lets
// pass, and of the tables that the lists keep out.
func (p *profile) hides(ctx context.Context) ([]needle, error) {
	const settings = "set pgbeam.principal_type = 'agent'; set pgbeam.credential_id = 'agt_none'"
	if _, err := admin.Exec(ctx, settings, pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, err
	}
	found := map[string]bool{}
	look := func(what, from, where string) error {
		rows, err := admin.Query(ctx, fmt.Sprintf("select %s from %s t where %s", what, from, where), pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return err
		}
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("look for hidden values of %s: %w", from, err)
		}
		for _, text := range texts {
			for _, value := range markers(text) {
				found[value] = true
			}
		}
		return nil
	}
	list, _ := p.body["masking_rules"].([]map[string]any)
	for _, m := range list {
		if err := look("concat_ws(' ', "+m["column"].(string)+"::text)", m["table"].(string), "true"); err != nil {
			return nil, err
		}
	}
	list, _ = p.body["row_filters"].([]map[string]any)
	for _, f := range list {
		if err := look("t::text", f["table"].(string), "("+f["predicate"].(string)+") is not true"); err != nil {
			return nil, err
		}
	}
	denied, _ := p.body["table_denylist"].([]string)
	for _, table := range denied {
		if err := look("t::text", table, "true"); err != nil {
			return nil, err
		}
	}
	if allowed, _ := p.body["table_allowlist"].([]string); len(allowed) > 0 {
		visible := "select ''"
		for _, table := range allowed {
			if there, err := scalar(ctx, "select (to_regclass('"+table+"') is not null)::text"); err != nil {
				return nil, err
			} else if there == "false" {
				continue // a case may create it
			}
			visible += " union all select t::text from " + table + " t"
		}
		for _, table := range tables {
			table = statement(table)
			if err := look("t::text", table, "not exists (select from ("+visible+") v(row) where row = t::text)"); err != nil {
				return nil, err
			}
		}
	}
	var needles []needle
	for value := range found {
		needles = append(needles, forms(value)...)
	}
	return needles, nil
}

var marker = regexp.MustCompile(`mark-[a-z0-9@.-]*[a-z0-9]|\\x[0-9a-f]+|[0-9]{7,}(\.[0-9]+)?`)

// markers are the values in the text of a row that can be searched for.
func markers(row string) []string {
	var out []string
	for _, m := range marker.FindAllString(row, -1) {
		if digits, ok := strings.CutPrefix(m, `\x`); ok {
			raw, err := hex.DecodeString(digits)
			if err != nil || !bytes.HasPrefix(raw, []byte("mark-")) {
				continue
			}
			m = string(raw)
		}
		out = append(out, m)
	}
	return out
}

// forms are the ways in which a value may arrive.
func forms(value string) []needle {
	if !strings.HasPrefix(value, "mark-") {
		return numberForms(value)
	}
	reversed := []rune(value)
	slices.Reverse(reversed)
	digest := md5.Sum([]byte(value))
	out := []needle{
		{of: value, form: "text", bytes: []byte(value)},
		{of: value, form: "backwards", bytes: []byte(string(reversed))},
		{of: value, form: "MD5", bytes: []byte(hex.EncodeToString(digest[:]))},
		{of: value, form: "hex", bytes: []byte(hex.EncodeToString([]byte(value)))},
		{of: value, form: "hex in upper case", bytes: []byte(hex.EncodeToString([]byte(strings.ToUpper(value))))},
		{of: value, form: "without its first letters", bytes: []byte(value[len("mark-"):])},
	}
	for pad := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, pad), value...))
		first, last := (pad*8+5)/6, (pad+len(value))*8/6
		out = append(out, needle{of: value, form: "base64", bytes: []byte(text[first:last]), exact: true})
	}
	return out
}

func numberForms(value string) []needle {
	whole, fraction, _ := strings.Cut(value, ".")
	out := []needle{{of: value, form: "text", bytes: []byte(whole)}}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return out
	}
	binaryForm := func(name string, b []byte) { out = append(out, needle{of: value, form: name, bytes: b, exact: true}) }
	if n <= math.MaxInt32 {
		binaryForm("binary integer", binary.BigEndian.AppendUint32(nil, uint32(n))) // the end of an int8, too
	}
	f, _ := strconv.ParseFloat(value, 64)
	binaryForm("binary double", binary.BigEndian.AppendUint64(nil, math.Float64bits(f)))
	binaryForm("binary real", binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(f))))
	var groups []byte // of four decimal digits, as a binary numeric has them
	whole = strings.Repeat("0", (4-len(whole)%4)%4) + whole
	digits := whole + (fraction + "0000")[:4]
	for i := 0; i < len(digits); i += 4 {
		group, _ := strconv.Atoi(digits[i : i+4])
		groups = binary.BigEndian.AppendUint16(groups, uint16(group))
	}
	binaryForm("binary numeric", bytes.TrimRight(groups, "\x00"))
	return out
}

// leaked says which of the hidden values received bytes show, or nothing.
func (p *profile) leaked(received []byte) string {
	lower := bytes.ToLower(received)
	for _, n := range p.hidden {
		in := lower
		if n.exact {
			in = received
		}
		if i := bytes.Index(in, n.bytes); i >= 0 {
			return fmt.Sprintf("%s as %s in %q", n.of, n.form, received[max(0, i-40):min(len(received), i+len(n.bytes)+20)])
		}
	}
	return ""
}

// A search that finds nothing proves nothing unless it finds what is there.
func TestTheSearchFindsEveryForm(t *testing.T) {
	p := under("search", masks("users.email=redact users.badge=null users.salary=null users.photo=null users.tags=null"),
		filter("orders", "tenant_id = 1"), except("keys"))
	p.login(t)
	for _, shown := range []string{
		"a mark-ann@mail.test b", "MARK-ANN@MAIL.TEST", "tset.liam@nna-kram", "ann@mail.test",
		hex.EncodeToString([]byte("mark-cyd@mail.test")), base64.StdEncoding.EncodeToString([]byte("<mark-cyd@mail.test>")),
		fmt.Sprintf("%x", md5.Sum([]byte("mark-bob@mail.test"))),
		"1910000017", "\x00\x00\x00\x04" + string(binary.BigEndian.AppendUint32(nil, 1910000029)), "7310001.25",
		"\x02\xdb\x00\x02\x13\x88" /* 731 0002 . 5000 */, "mark-photo-ann", "mark-tag-bob", "\"mark-key-prod\"",
		"mark-item-core", "8420003", string(binary.BigEndian.AppendUint64(nil, math.Float64bits(8420001))),
	} {
		if p.leaked([]byte("before "+shown+" after")) == "" {
			t.Errorf("%q is not found", shown)
		}
	}
	for _, fine := range []string{"mark-ssn-01", "pen 5.00", "[redacted]", "mark-card-4111", ""} {
		if leak := p.leaked([]byte(fine)); leak != "" {
			t.Errorf("%q is not hidden, and was found as %s", fine, leak)
		}
	}
}
