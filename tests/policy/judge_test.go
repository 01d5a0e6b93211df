package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// judge compares an outcome with what the case says.
func (c scenario) judge(o *outcome, mode string, reason decision) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if c.refusal() || c.code != "" {
		code := c.code
		if code == "" {
			code = refusedCode
		}
		switch f := o.failure; {
		case f == nil:
			wrong("it ran, and gave %q, %q", shown(o), tagsOf(o))
		case f.Code != code || !strings.Contains(f.Message, c.says) || c.says == "":
			wrong("%s %q, want %s …%q…", f.Code, f.Message, code, c.says)
		case c.refusal() && f.Severity != "ERROR":
			wrong("severity %s", f.Severity)
		case c.rule == "parse_error" && c.code != "":
			// The wire has PostgreSQL's own words, the evaluation a sentence with them.
			if !strings.HasSuffix(reason.reason, f.Message) {
				wrong("it says %q where the evaluation said %q", f.Message, reason.reason)
			}
		case c.refusal() && reason.reason != "" && (f.Message != reason.reason || f.Hint != reason.hint):
			wrong("it says %q, hint %q, where the evaluation said %q, hint %q", f.Message, f.Hint, reason.reason, reason.hint)
		case c.refusal() && (f.Detail != "" || f.Where != ""):
			wrong("a refusal with the detail %q and the context %q", f.Detail, f.Where)
		}
		if c.refusal() && len(c.before) == 0 && mode == "simple" && len(o.results) > 0 {
			wrong("part of it ran: %q", shown(o))
		}
	} else {
		if o.failure != nil {
			wrong("%s", said(o))
			return problems
		}
		if c.rule == "empty" {
			return problems
		}
		want, got := expand(c.rows, mode), shown(o)
		if mode == "binary" && c.binary != "" {
			want = c.binary
		}
		if part, ok := strings.CutPrefix(want, "~"); ok && !strings.Contains(got, part) || !ok && got != want {
			wrong("rows %q, want %q", got, want)
		}
		last := o.results[len(o.results)-1]
		tag := c.tag
		if tag == "" {
			tag = fmt.Sprintf("SELECT %d", len(last.rows))
		}
		if last.tag != tag {
			wrong("tag %q, want %q", last.tag, tag)
		}
		problems = append(problems, describedAlike(o, mode)...)
	}
	switch {
	case c.notice == "" && len(o.notices) > 0:
		wrong("notice %q", o.notices[0].Message)
	case c.notice != "" && !noticed(o, c.notice):
		wrong("%d notices, none of them %q: %s", len(o.notices), c.notice, noticesOf(o))
	}
	if len(c.before) == 0 && !c.batch && o.status != 'I' {
		wrong("it leaves the transaction status %c", o.status)
	}
	return problems
}

// describedAlike compares what the two Describes said with each other and with
// the rows.
func describedAlike(o *outcome, mode string) (problems []string) {
	if mode == "simple" {
		return nil
	}
	if len(o.described) != 2 {
		return []string{fmt.Sprintf("%d descriptions, want one of the statement and one of the portal", len(o.described))}
	}
	statement, portal := o.described[0], o.described[1]
	if len(statement) != len(portal) {
		return []string{fmt.Sprintf("the statement has %d columns, its portal %d", len(statement), len(portal))}
	}
	for i := range statement {
		a, b := statement[i], portal[i]
		if b.binary != (mode == "binary") {
			problems = append(problems, fmt.Sprintf("column %d: asked for %s, binary %t", i, mode, b.binary))
		}
		a.binary, b.binary = false, false
		if a != b {
			problems = append(problems, fmt.Sprintf("column %d: the statement says %+v, its portal %+v", i, a, b))
		}
	}
	return problems
}

var hashed = regexp.MustCompile(`<hash of ([^>]*)>`)

// expand is the rows of a case as a mode gives them: in binary, whatever
// stands for a masked value is NULL.
func expand(rows, mode string) string {
	if mode == "binary" {
		return hashed.ReplaceAllString(strings.ReplaceAll(rows, "[redacted]", "∅"), "∅")
	}
	return hashed.ReplaceAllStringFunc(rows, func(m string) string {
		sum := sha256.Sum256([]byte(hashed.FindStringSubmatch(m)[1]))
		return fmt.Sprintf("%x", sum)
	})
}

// shown is the rows of all results in the notation of cases.
func shown(o *outcome) string {
	var all []string
	for _, r := range o.results {
		rows := make([]string, len(r.rows))
		for i, row := range r.rows {
			rows[i] = cells(row, r.columns)
		}
		all = append(all, strings.Join(rows, "; "))
	}
	return strings.Join(all, " ;; ")
}

func tagsOf(o *outcome) string {
	var tags []string
	for _, r := range o.results {
		tags = append(tags, r.tag)
	}
	return strings.Join(tags, ", ")
}

// cells is a row in the notation of cases.
func cells(row [][]byte, columns []column) string {
	out := make([]string, len(row))
	for i, v := range row {
		switch {
		case v == nil:
			out[i] = "∅"
		case columns != nil && columns[i].binary:
			out[i] = textOf(columns[i].oid, v)
		default:
			out[i] = string(v)
		}
	}
	return strings.Join(out, "|")
}

var types = pgtype.NewMap()

// textOf is the text form of a binary value.
func textOf(oid uint32, value []byte) string {
	switch oid {
	case pgtype.JSONOID, pgtype.XMLOID:
		return string(value)
	case pgtype.JSONBOID:
		return string(value[1:])
	case pgtype.RecordOID:
		return "a record"
	}
	known, ok := types.TypeForOID(oid)
	if !ok {
		return string(value) // an enum
	}
	v, err := known.Codec.DecodeValue(types, oid, pgtype.BinaryFormatCode, value)
	if err != nil {
		return fmt.Sprintf("%x, which is no %s: %v", value, known.Name, err)
	}
	text, err := types.Encode(oid, pgtype.TextFormatCode, v, nil)
	if err != nil {
		return fmt.Sprintf("%v, which has no text: %v", v, err)
	}
	return string(text)
}

// unmasked finds descriptions that name a masked column as the source of a
// result.
func (p *profile) unmasked(t *testing.T, o *outcome) (problems []string) {
	t.Helper()
	list, _ := p.body["masking_rules"].([]map[string]any)
	for _, m := range list {
		table, number := attribute(t, m["table"].(string), m["column"].(string))
		for _, columns := range o.described {
			for _, c := range columns {
				if c.table == table && c.number == number {
					problems = append(problems, fmt.Sprintf("column %q is described as %v of %v itself", c.name, m["column"], m["table"]))
				}
			}
		}
	}
	return problems
}

type attributeKey struct{ table, column string }

var attributes = map[attributeKey][2]uint32{}

func attribute(t *testing.T, table, column string) (uint32, uint16) {
	t.Helper()
	k := attributeKey{table, column}
	if _, ok := attributes[k]; !ok {
		var a [2]uint32
		err := admin.QueryRow(t.Context(), "select attrelid, attnum::int8 from pg_attribute where attrelid = $1::regclass and attname = $2", table, strings.Trim(column, `"`)).Scan(&a[0], &a[1])
		if err != nil {
			t.Fatalf("find column %s of %s: %v", column, table, err)
		}
		attributes[k] = a
	}
	return attributes[k][0], uint16(attributes[k][1])
}

func said(o *outcome) string {
	if o == nil || o.failure == nil {
		return ""
	}
	return fmt.Sprintf("%s %s: %s", o.failure.Severity, o.failure.Code, o.failure.Message)
}

func noticed(o *outcome, part string) bool {
	for _, n := range o.notices {
		if strings.Contains(n.Message, part) {
			return true
		}
	}
	return false
}

func noticesOf(o *outcome) string {
	var all []string
	for _, n := range o.notices {
		all = append(all, n.Message)
	}
	return strings.Join(all, "; ")
}

// closed says whether an error is a session's end, and with which report.
func closed(err error) (*pgproto3.ErrorResponse, bool) {
	var e *ended
	if errors.As(err, &e) {
		return e.last, true
	}
	return nil, false
}
