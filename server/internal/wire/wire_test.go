package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/jackc/pgproto3/v2"
)

func TestHeaders(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want Header
		ok   bool
		fail bool
	}{
		{"empty", nil, Header{}, false, false},
		{"short", []byte{'Q', 0, 0, 0}, Header{}, false, false},
		{"no body", []byte{'S', 0, 0, 0, 4}, Header{'S', 0}, true, false},
		{"longest", []byte{'Q', 0x40, 0, 0, 0}, Header{'Q', 1<<30 - 4}, true, false},
		{"too long", []byte{'Q', 0x40, 0, 0, 1}, Header{}, false, true},
		{"negative", []byte{'Q', 0xff, 0xff, 0xff, 0xff}, Header{}, false, true},
		{"tiny", []byte{'Q', 0, 0, 0, 3}, Header{}, false, true},
		{"zero", []byte{'Q', 0, 0, 0, 0}, Header{}, false, true},
	}
	for _, tt := range tests {
		h, ok, err := ParseHeader(tt.in)
		if h != tt.want || ok != tt.ok || (err != nil) != tt.fail {
			t.Errorf("%s: got %v, %v, %v", tt.name, h, ok, err)
		}
	}
}

// TestFramesReadBack reads what is built with another implementation.
func TestFramesReadBack(t *testing.T) {
	tests := []struct {
		frame []byte
		want  pgproto3.BackendMessage
	}{
		{AppendReport(nil, Report{Severity: "FATAL", Code: "28000", Message: "no", Detail: "because", Hint: "do"}), &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "28000", Message: "no", Detail: "because", Hint: "do"}},
		{AppendReport(nil, Report{Severity: "ERROR", Code: "42601", Message: "no", Position: 14}), &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "42601", Message: "no", Position: 14}},
		{AppendReport(nil, Report{Severity: "ERROR", Code: "0A000", Message: "a\x00Cforged"}), &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "0A000", Message: "aCforged"}},
		{AppendReport(nil, Report{Severity: "NOTICE", Code: "00000", Message: "hi"}), &pgproto3.NoticeResponse{Severity: "NOTICE", SeverityUnlocalized: "NOTICE", Code: "00000", Message: "hi"}},
		{AppendReadyForQuery(nil, 'T'), &pgproto3.ReadyForQuery{TxStatus: 'T'}},
		{AppendParameterStatus(nil, "TimeZone", "UTC"), &pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"}},
		{AppendBackendKeyData(nil, CancelKey{7, 1 << 31}), &pgproto3.BackendKeyData{ProcessID: 7, SecretKey: 1 << 31}},
		{AppendAuthenticationOk(nil), &pgproto3.AuthenticationOk{}},
		{AppendAuthenticationCleartextPassword(nil), &pgproto3.AuthenticationCleartextPassword{}},
		{AppendAuthenticationSASL(nil, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"), &pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}}},
		{AppendAuthenticationSASLContinue(nil, "r=x"), &pgproto3.AuthenticationSASLContinue{Data: []byte("r=x")}},
		{AppendAuthenticationSASLFinal(nil, "v=x"), &pgproto3.AuthenticationSASLFinal{Data: []byte("v=x")}},
	}
	for _, tt := range tests {
		f := pgproto3.NewFrontend(pgproto3.NewChunkReader(bytes.NewReader(tt.frame)), nil)
		got, err := f.Receive()
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q reads as %+v, %v; want %+v", tt.frame, got, err, tt.want)
		}
	}
}

func TestStartupPackets(t *testing.T) {
	frame, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "me"}}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := io.MultiReader(iotest.OneByteReader(bytes.NewReader(frame)), strings.NewReader("rest"))
	code, body, err := ReadStartup(r)
	if err != nil || code != Version30 {
		t.Fatalf("code %d, %v", code, err)
	}
	params, err := ParseStartup(body)
	if err != nil || len(params) != 1 || params[0] != (Parameter{"user", "me"}) {
		t.Fatalf("got %v, %v", params, err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Fatalf("more than the packet was read: %q is left", rest)
	}
	for _, bad := range []string{"", "user", "user\x00", "user\x00me\x00", "user\x00me\x00\x00x", "\x00\x00"} {
		if _, err := ParseStartup([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	for _, n := range []uint32{0, 4, 7, MaxStartup + 1, 1 << 31, 1<<32 - 1} {
		b := binary.BigEndian.AppendUint32(nil, n)
		var e *LengthError
		if _, _, err := ReadStartup(bytes.NewReader(append(b, 0, 3, 0, 0))); !errors.As(err, &e) || e.Length != n {
			t.Errorf("length %d: got %v", n, err)
		}
	}
}

func TestReadFrameChecksTheLengthFirst(t *testing.T) {
	for _, n := range []uint32{0, 3, 101, 1 << 31, 1<<32 - 1} {
		b := binary.BigEndian.AppendUint32([]byte{'p'}, n)
		var e *LengthError
		if _, _, err := ReadFrame(bytes.NewReader(b), nil, 100); !errors.As(err, &e) || e.Length != n {
			t.Errorf("length %d: got %v", n, err)
		}
	}
	if _, _, err := ReadFrame(bytes.NewReader([]byte{'p', 0, 0, 0, 8, 1}), nil, 100); err != io.ErrUnexpectedEOF {
		t.Errorf("a frame that ends early: got %v", err)
	}
}

func TestSASLInitial(t *testing.T) {
	frame, err := (&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("n,,n=,r=x")}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	name, data, err := ParseSASLInitial(frame[HeaderSize:])
	if err != nil || name != "SCRAM-SHA-256" || data != "n,,n=,r=x" {
		t.Fatalf("got %q %q, %v", name, data, err)
	}
}

// FuzzScanner cuts a stream into pieces: the frames found must be the same
// as when it is whole.
func FuzzScanner(f *testing.F) {
	stream := AppendReadyForQuery(AppendParameterStatus(AppendAuthenticationOk(nil), "a", "b"), 'I')
	f.Add(stream, uint8(1))
	f.Add(stream, uint8(7))
	f.Add([]byte{'Q', 0xff, 0xff, 0xff, 0xff, 0}, uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		whole, wholeErr := scanAll(stream, len(stream)+1)
		cut, cutErr := scanAll(stream, int(piece)+1)
		if !reflect.DeepEqual(whole, cut) || (wholeErr == nil) != (cutErr == nil) {
			t.Fatalf("whole %v %v, in pieces of %d %v %v", whole, wholeErr, int(piece)+1, cut, cutErr)
		}
	})
}

func scanAll(stream []byte, piece int) ([]Header, error) {
	var found []Header
	var s Scanner
	var buf []byte
	for len(stream) > 0 {
		n := min(piece, len(stream))
		buf = append(buf, stream[:n]...)
		stream = stream[n:]
		for len(buf) > 0 {
			if !s.AtBoundary() {
				buf = buf[s.Skip(buf):]
				continue
			}
			h, ok, err := s.Next(buf)
			if err != nil {
				return found, err
			}
			if !ok {
				break
			}
			found = append(found, h)
			buf = buf[HeaderSize:]
		}
	}
	return found, nil
}

func FuzzStartup(f *testing.F) {
	f.Add([]byte("user\x00me\x00database\x00db\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		params, err := ParseStartup(body)
		if err != nil {
			return
		}
		var back []byte
		for _, p := range params {
			back = append(append(back, p.Name...), 0)
			back = append(append(back, p.Value...), 0)
		}
		if !bytes.Equal(append(back, 0), body) {
			t.Fatalf("%q reads as %v", body, params)
		}
	})
}

func FuzzReadStartup(f *testing.F) {
	f.Add(AppendSSLRequest(nil))
	f.Add(AppendCancel(nil, 1, []byte{1, 2, 3, 4}))
	f.Fuzz(func(t *testing.T, in []byte) {
		code, body, err := ReadStartup(bytes.NewReader(in))
		if err == nil && (len(body)+8 > MaxStartup || len(body)+8 > len(in)) {
			t.Fatalf("code %d, %d bytes of body from %d", code, len(body), len(in))
		}
		if code == CodeCancel {
			_, _ = ParseCancel(body)
		}
	})
}

func FuzzAuthenticationMessages(f *testing.F) {
	f.Add([]byte("SCRAM-SHA-256\x00\x00\x00\x00\x02n,"))
	f.Add([]byte("secret\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if name, data, err := ParseSASLInitial(body); err == nil && len(name)+len(data)+5 != len(body) {
			t.Fatalf("%q reads as %q %q", body, name, data)
		}
		if p, err := ParsePassword(body); err == nil && len(p)+1 != len(body) {
			t.Fatalf("%q reads as %q", body, p)
		}
	})
}

func FuzzReport(f *testing.F) {
	f.Add(AppendReport(nil, Report{Severity: "FATAL", Code: "28000", Message: "no", Detail: "because", Hint: "do"})[HeaderSize:])
	f.Add([]byte("M"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := ParseReport(body)
		if r.Severity != SeverityError && r.Severity != SeverityFatal {
			r.Severity = SeverityError
		}
		if back := ParseReport(AppendReport(nil, r)[HeaderSize:]); back != r {
			t.Fatalf("%+v was built and reads as %+v", r, back)
		}
	})
}
