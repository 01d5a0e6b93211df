package proxy

import (
	"errors"

	"github.com/xdg-go/scram"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

const (
	mechanism     = "SCRAM-SHA-256"
	mechanismPlus = "SCRAM-SHA-256-PLUS"
)

// authenticate checks an issued login. A user that does not exist goes the
// same way with a verifier that nothing matches.
func (s *Server) authenticate(c *client, cred *store.Credential, key attemptKey) error {
	verifier := secret.MockVerifier(s.cfg.MockSeed, c.startup.user)
	known, cleartext := false, false
	if cred != nil {
		if v, err := secret.ParseVerifier(cred.Verifier); err == nil {
			verifier, known = v, true
		} else {
			s.log.Error("read verifier of credential failed", "credential", cred.ID, "error", err)
		}
		cleartext = cred.AuthMethod == "cleartext"
	}
	var ok bool
	var final []byte
	var err error
	if cleartext {
		ok, err = s.checkCleartext(c, verifier, key)
	} else {
		ok, final, err = s.checkSCRAM(c, verifier, key)
	}
	if err != nil {
		return err
	}
	if !ok || !known {
		s.limiter.failed(key)
		return wrongPassword(c.startup.user)
	}
	_, err = c.conn.Write(wire.AppendAuthenticationOk(final))
	return err
}

// readAuth reads one answer of the exchange.
func (c *client) readAuth() ([]byte, error) {
	typ, body, err := wire.ReadFrame(c.conn, nil, wire.MaxAuth)
	var length *wire.LengthError
	switch {
	case errors.As(err, &length):
		return nil, protocolViolation(err)
	case err != nil:
		return nil, err
	case typ != wire.Password:
		return nil, fatal(codeProtocol, "", "expected authentication response, got message type %q", typ)
	}
	return body, nil
}

// askPassword asks for the password itself, which TLS protects.
func (c *client) askPassword() (secret.Text, error) {
	if _, err := c.conn.Write(wire.AppendAuthenticationCleartextPassword(nil)); err != nil {
		return secret.Text{}, err
	}
	body, err := c.readAuth()
	if err != nil {
		return secret.Text{}, err
	}
	password, err := wire.ParsePassword(body)
	if err != nil {
		return secret.Text{}, protocolViolation(err)
	}
	if password == "" { // as PostgreSQL says it
		return secret.Text{}, fatal(codeWrongPassword, "", "empty password returned by client")
	}
	return secret.NewText(password), nil
}

func (s *Server) checkCleartext(c *client, v secret.Verifier, key attemptKey) (bool, error) {
	password, err := c.askPassword()
	if err != nil {
		return false, err
	}
	if s.limiter.blocked(key) {
		return false, tooManyAttempts()
	}
	return v.Matches(password.Reveal()), nil
}

// checkSCRAM offers SCRAM-SHA-256, with channel binding first where the
// certificate allows it. final is the frame that completes a success.
func (s *Server) checkSCRAM(c *client, v secret.Verifier, key attemptKey) (ok bool, final []byte, err error) {
	srv, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return v.Credentials(), nil })
	if err != nil {
		return false, nil, err
	}
	offer := []string{mechanism}
	conv := srv.NewConversation()
	if c.channel.IsSupported() {
		offer = []string{mechanismPlus, mechanism}
		conv = srv.NewConversationWithChannelBinding(c.channel)
	}
	if _, err := c.conn.Write(wire.AppendAuthenticationSASL(nil, offer...)); err != nil {
		return false, nil, err
	}
	body, err := c.readAuth()
	if err != nil {
		return false, nil, err
	}
	chosen, first, err := wire.ParseSASLInitial(body)
	if err != nil {
		return false, nil, protocolViolation(err)
	}
	if chosen != mechanism && (chosen != mechanismPlus || !c.channel.IsSupported()) {
		return false, nil, fatal(codeProtocol, "", "client selected an invalid SASL authentication mechanism")
	}
	if bound := len(first) > 0 && first[0] == 'p'; bound != (chosen == mechanismPlus) {
		return false, nil, fatal(codeProtocol, "", "malformed SCRAM message: the channel binding flag does not agree with mechanism %s", chosen)
	}
	challenge, err := conv.Step(first)
	if err != nil {
		return false, nil, fatal(codeProtocol, "", "malformed SCRAM message: %s", err)
	}
	if _, err := c.conn.Write(wire.AppendAuthenticationSASLContinue(nil, challenge)); err != nil {
		return false, nil, err
	}
	if body, err = c.readAuth(); err != nil {
		return false, nil, err
	}
	if s.limiter.blocked(key) {
		return false, nil, tooManyAttempts()
	}
	answer, err := conv.Step(string(body))
	if err != nil || !conv.Valid() {
		return false, nil, nil
	}
	return true, wire.AppendAuthenticationSASLFinal(nil, answer), nil
}
