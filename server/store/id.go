package store

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// crockford is the base32 alphabet of ULID and TypeID, in order of value, so
// that ids sort by the time they were made.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes an id such as prj_01h455vb4pex5vsknk084sn02q: the prefix, 48 bits
// of milliseconds since 1970 and 80 random bits.
func NewID(prefix string) string { return newID(prefix, time.Now()) }

func newID(prefix string, at time.Time) string {
	// 20 bytes are exactly 32 characters. The value is the last 16 bytes, so
	// the first six characters are always zero and are cut off.
	var raw [20]byte
	binary.BigEndian.PutUint64(raw[2:10], uint64(at.UnixMilli()))
	rand.Read(raw[10:])
	return strings.TrimSuffix(prefix, "_") + "_" + crockford.EncodeToString(raw[:])[6:]
}

// NewSubdomain makes a project's subdomain: 10 lower-case base32 characters.
func NewSubdomain() string {
	return strings.ToLower(rand.Text()[:10])
}

// NewPgUsername makes the PostgreSQL user name of an issued credential.
func NewPgUsername() string {
	var raw [6]byte
	rand.Read(raw[:])
	return "agent_" + hex.EncodeToString(raw[:])
}
