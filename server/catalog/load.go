// Package catalog reads what a database's schema looks like, for decisions on
// statements, and keeps it fresh.
package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// loadTimeout bounds the use of one connection.
const loadTimeout = 15 * time.Second

const (
	// maxRow bounds one row of an answer: the longest definition of a view; or
	// an error, which may quote the longest literal.
	maxRow = 16 << 20
	// maxBytes bounds all of them: a schema of some hundred thousand columns.
	maxBytes = 256 << 20
)

// Digest tells catalogs apart that were made from different rows.
type Digest [sha256.Size]byte

// Load reads the catalog over a connection that is logged in and idle, and
// leaves it so unless it fails. The search path is that of the connection's
// role.
func Load(ctx context.Context, conn net.Conn) (*policy.Catalog, Digest, error) {
	stop, err := limit(ctx, conn)
	if err != nil {
		return nil, Digest{}, fmt.Errorf("read catalog: %w", err)
	}
	defer stop()

	b := newBuilder()
	sum, total := sha256.New(), 0
	_, err = wire.Ask(conn, question, maxRow, func(statement int, values [][]byte) error {
		if statement < firstAnswer || statement-firstAnswer >= len(answers) {
			return nil
		}
		var head [8]byte
		binary.BigEndian.PutUint64(head[:], uint64(statement))
		sum.Write(head[:])
		for _, v := range values {
			total += len(v)
			// NULL and the empty string differ by the length that is hashed.
			size := uint64(len(v))
			if v == nil {
				size = 1 << 63
			}
			binary.BigEndian.PutUint64(head[:], size)
			sum.Write(head[:])
			sum.Write(v)
		}
		if total > maxBytes {
			return fmt.Errorf("it is larger than %d bytes", maxBytes)
		}
		a := answers[statement-firstAnswer]
		if len(values) != a.columns {
			return fmt.Errorf("a row of %d columns, %d expected", len(values), a.columns)
		}
		r := fields{values: values}
		a.add(b, &r)
		return r.err
	})
	if err != nil {
		return nil, Digest{}, fmt.Errorf("read catalog: %w", err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, Digest{}, fmt.Errorf("read catalog: %w", err)
	}
	return b.finish(), Digest(sum.Sum(nil)), nil
}

// limit ends what happens on conn with ctx, and after loadTimeout at the
// latest. stop lets go of ctx.
func limit(ctx context.Context, conn net.Conn) (stop func() bool, err error) {
	deadline := time.Now().Add(loadTimeout)
	if at, ok := ctx.Deadline(); ok && at.Before(deadline) {
		deadline = at
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }), nil
}

// fields reads the values of a row in order. The first that does not read
// sets err.
type fields struct {
	values [][]byte
	err    error
}

func (f *fields) text() string {
	v := string(f.values[0])
	f.values = f.values[1:]
	return v
}

func (f *fields) oid() uint32 {
	n, err := strconv.ParseUint(f.text(), 10, 32)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("read an object id: %w", err)
	}
	return uint32(n)
}

func (f *fields) number() int16 {
	n, err := strconv.ParseInt(f.text(), 10, 16)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("read a column number: %w", err)
	}
	return int16(n)
}

func (f *fields) flag() bool { return f.text() == "t" }

// letter reads a "char", whose zero is the empty string.
func (f *fields) letter() byte {
	if s := f.text(); s != "" {
		return s[0]
	}
	return 0
}

// oids reads an oidvector: object ids between spaces.
func (f *fields) oids() []uint32 {
	var list []uint32
	for word := range slices.Values(splitSpaces(f.text())) {
		n, err := strconv.ParseUint(word, 10, 32)
		if err != nil && f.err == nil {
			f.err = fmt.Errorf("read object ids: %w", err)
		}
		list = append(list, uint32(n))
	}
	return list
}
