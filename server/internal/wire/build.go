package wire

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// Severities that the service reports.
const (
	SeverityError  = "ERROR"
	SeverityFatal  = "FATAL"
	SeverityNotice = "NOTICE"
)

// Report is what an ErrorResponse or NoticeResponse says.
type Report struct {
	Severity string
	Code     string // SQLSTATE
	Message  string
	Detail   string
	Hint     string
	Position int // in the statement, in characters from 1; 0 is not told
}

// Append functions add one whole frame to b and return it.

func begin(b []byte, typ byte) ([]byte, int) {
	b = append(b, typ, 0, 0, 0, 0)
	return b, len(b) - 4
}

func end(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

func appendText(b []byte, s string) []byte {
	// A NUL would end the field early and let a value forge the next one.
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	return append(append(b, s...), 0)
}

// AppendReport appends an ErrorResponse, or a NoticeResponse when the
// severity is less than an error.
func AppendReport(b []byte, r Report) []byte {
	typ := byte(ErrorResponse)
	if r.Severity != SeverityError && r.Severity != SeverityFatal {
		typ = NoticeResponse
	}
	b, at := begin(b, typ)
	position := ""
	if r.Position > 0 {
		position = strconv.Itoa(r.Position)
	}
	for _, f := range []struct {
		tag   byte
		value string
	}{{'S', r.Severity}, {'V', r.Severity}, {'C', r.Code}, {'M', r.Message}, {'D', r.Detail}, {'H', r.Hint}, {'P', position}} {
		if f.value != "" {
			b = appendText(append(b, f.tag), f.value)
		}
	}
	return end(append(b, 0), at)
}

// AppendReadyForQuery appends a ReadyForQuery with a transaction status.
func AppendReadyForQuery(b []byte, status byte) []byte {
	return append(b, ReadyForQuery, 0, 0, 0, 5, status)
}

// AppendParameterStatus appends a ParameterStatus.
func AppendParameterStatus(b []byte, name, value string) []byte {
	b, at := begin(b, ParameterStatus)
	return end(appendText(appendText(b, name), value), at)
}

// AppendBackendKeyData appends the key that a client cancels with.
func AppendBackendKeyData(b []byte, k CancelKey) []byte {
	b, at := begin(b, BackendKeyData)
	b = binary.BigEndian.AppendUint32(b, k.PID)
	b = binary.BigEndian.AppendUint32(b, k.Secret)
	return end(b, at)
}

// AppendNegotiateProtocolVersion appends the answer to a client that asked
// for a minor version above 3.0 or for options that are not known.
func AppendNegotiateProtocolVersion(b []byte, options []string) []byte {
	b, at := begin(b, 'v')
	b = binary.BigEndian.AppendUint32(b, Version30)
	b = binary.BigEndian.AppendUint32(b, uint32(len(options)))
	for _, o := range options {
		b = appendText(b, o)
	}
	return end(b, at)
}

func appendAuthentication(b []byte, kind uint32, payload []byte) []byte {
	b, at := begin(b, Authentication)
	b = binary.BigEndian.AppendUint32(b, kind)
	return end(append(b, payload...), at)
}

// AppendAuthenticationOk says that the client is who it claims to be.
func AppendAuthenticationOk(b []byte) []byte { return appendAuthentication(b, 0, nil) }

// AppendAuthenticationCleartextPassword asks for the password itself.
func AppendAuthenticationCleartextPassword(b []byte) []byte { return appendAuthentication(b, 3, nil) }

// AppendAuthenticationSASL offers mechanisms, the preferred one first.
func AppendAuthenticationSASL(b []byte, mechanisms ...string) []byte {
	var list []byte
	for _, m := range mechanisms {
		list = appendText(list, m)
	}
	return appendAuthentication(b, 10, append(list, 0))
}

// AppendAuthenticationSASLContinue carries a challenge.
func AppendAuthenticationSASLContinue(b []byte, data string) []byte {
	return appendAuthentication(b, 11, []byte(data))
}

// AppendAuthenticationSASLFinal carries the outcome.
func AppendAuthenticationSASLFinal(b []byte, data string) []byte {
	return appendAuthentication(b, 12, []byte(data))
}

// AppendTerminate appends the orderly end of a session.
func AppendTerminate(b []byte) []byte { return append(b, Terminate, 0, 0, 0, 4) }

// ParsePassword reads the body of a PasswordMessage.
func ParsePassword(body []byte) (string, error) {
	i := bytes.IndexByte(body, 0)
	if i < 0 || i != len(body)-1 {
		return "", errShort
	}
	return string(body[:i]), nil
}

// ParseSASLInitial reads the body of a SASLInitialResponse.
func ParseSASLInitial(body []byte) (mechanism, data string, err error) {
	name, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || len(rest) < 4 {
		return "", "", errShort
	}
	n := int32(binary.BigEndian.Uint32(rest))
	rest = rest[4:]
	if n == -1 && len(rest) == 0 {
		return string(name), "", nil
	}
	if n < 0 || int(n) != len(rest) {
		return "", "", errShort
	}
	return string(name), string(rest), nil
}

// ParseReport reads the body of an ErrorResponse or NoticeResponse. Fields
// that are missing stay empty; broken ones end the reading.
func ParseReport(body []byte) Report {
	var r Report
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := bytes.Cut(body[1:], []byte{0})
		if !ok {
			return r
		}
		switch body[0] {
		case 'S':
			if r.Severity == "" {
				r.Severity = string(value)
			}
		case 'V': // the same, never translated
			r.Severity = string(value)
		case 'C':
			r.Code = string(value)
		case 'M':
			r.Message = string(value)
		case 'D':
			r.Detail = string(value)
		case 'H':
			r.Hint = string(value)
		}
		body = rest
	}
	return r
}

// AppendBody appends a frame with a given body.
func AppendBody(b []byte, typ byte, body []byte) []byte {
	b, at := begin(b, typ)
	return end(append(b, body...), at)
}
