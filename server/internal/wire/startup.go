package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Codes in the place of a protocol version, section "Message Formats".
const (
	CodeCancel = 1234<<16 | 5678
	CodeSSL    = 1234<<16 | 5679
	CodeGSSENC = 1234<<16 | 5680
	Version30  = 3 << 16
)

// ReadStartup reads one packet without type byte: a startup packet, or an
// SSL, GSSENC or cancel request. It reads not one byte more.
func ReadStartup(r io.Reader) (code uint32, body []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 8 || n > MaxStartup {
		return 0, nil, &LengthError{0, n, MaxStartup}
	}
	body = make([]byte, n-8)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return binary.BigEndian.Uint32(head[4:]), body, nil
}

// Parameter is one name and value of a startup packet.
type Parameter struct{ Name, Value string }

// ParseStartup splits the body of a startup packet into its parameters, in
// the order they came.
func ParseStartup(body []byte) ([]Parameter, error) {
	var params []Parameter
	for {
		if len(body) == 0 {
			return nil, errors.New("invalid startup packet layout: expected terminator as last byte")
		}
		if body[0] == 0 {
			if len(body) > 1 {
				return nil, errors.New("invalid startup packet layout: bytes after the terminator")
			}
			return params, nil
		}
		name, rest, ok := bytes.Cut(body, []byte{0})
		if !ok {
			return nil, errors.New("invalid startup packet layout: parameter name without end")
		}
		value, rest, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return nil, fmt.Errorf("invalid startup packet layout: parameter %q without value", name)
		}
		params = append(params, Parameter{string(name), string(value)})
		body = rest
	}
}

// CancelKey names a session in a cancel request.
type CancelKey struct{ PID, Secret uint32 }

// ParseCancel reads the body of a cancel request.
func ParseCancel(body []byte) (CancelKey, error) {
	if len(body) != 8 {
		return CancelKey{}, fmt.Errorf("invalid length of cancel request: %d bytes of key, want 8", len(body))
	}
	return CancelKey{binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])}, nil
}

// AppendCancel appends a whole cancel request. The secret is as long as the
// server made it: 4 bytes up to protocol 3.0, up to 256 later.
func AppendCancel(b []byte, pid uint32, secret []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(12+len(secret)))
	b = binary.BigEndian.AppendUint32(b, CodeCancel)
	b = binary.BigEndian.AppendUint32(b, pid)
	return append(b, secret...)
}

// AppendSSLRequest appends the request that asks a server for TLS.
func AppendSSLRequest(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, 8)
	return binary.BigEndian.AppendUint32(b, CodeSSL)
}
