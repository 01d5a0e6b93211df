package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// replayAge is how much older than its response an object must be for the
// response to be a repetition of an earlier one.
const replayAge = 5 * time.Second

func randomKey() string { return uuid.NewString() }

// createKey is the Idempotency-Key of a create.
//
// When the engine or the server is killed between the commit on the server and
// the state written by the engine, the object exists and nobody knows its id,
// nor the secrets that are told only once. The key therefore follows from the
// id of the provider resource in the stack, the URN, the id of the resource
// that is being replaced, the path and the body: the next `up` asks the same
// thing under the same key, and gets the same answer, secrets and all. Without
// the provider's id (older engines) stacks could not be told apart, so the key
// is random then, as it is when the id of the replaced resource is unknown.
func (v *provider) createKey(providerID string, urn resource.URN, args []string, body any) (key string, repeatable bool) {
	previous, existed := v.seen.before(urn)
	if providerID == "" || existed && previous == "" {
		return randomKey(), false
	}
	text, err := json.Marshal(body)
	if err != nil {
		return randomKey(), false
	}
	sum := sha256.New()
	for _, part := range slices.Concat([]string{providerID, string(urn), previous, string(text)}, args) {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), true
}

// post sends a create under its repeatable key, and makes sure that the answer
// is about an object that exists now.
//
// A kept answer can be out of date in two ways. It may be a refusal whose
// cause is gone: then it is asked again under a new key. It may name an object
// that somebody has deleted since: then it is looked up, and made anew when it
// is gone. A server that says of each answer whether it was kept spares both;
// of any other a refusal is asked twice, and an object is looked up if it is
// clearly older than the response.
func (v *provider) post(ctx context.Context, s *session, urn resource.URN, body object, args []string, query map[string]string, exists func(context.Context, object) (bool, error)) (answer, error) {
	op := s.resource.Create
	key, repeatable := v.createKey(s.id, urn, args, body)
	got, err := s.call(ctx, "create", op, args, query, body, keyed(key))
	if err != nil {
		var refused *Error
		if repeatable && errors.As(err, &refused) && refused.kept() {
			return s.call(ctx, "create", op, args, query, body)
		}
		return answer{}, err
	}
	if !repeatable {
		return got, nil
	}
	obj, err := op.result(got.body)
	if err != nil || !got.kept(obj) {
		return got, nil
	}
	there, err := exists(ctx, obj)
	if err != nil {
		return answer{}, err
	}
	if there {
		return got, nil
	}
	return s.call(ctx, "create", op, args, query, body)
}

// headerReplayed is the header in which a server says whether an answer is one it
// kept from an earlier request with the same key: "true" or "false". Many say
// only "true", so without it nothing is known.
const headerReplayed = "Idempotent-Replayed"

// kept reports whether the answer to a create is, or may well be, one kept
// from an earlier request: else the object was made by this one. Where the
// server does not say, it is an object made well before its create was asked
// for, by the server's own clock.
func (a answer) kept(obj object) bool {
	if said := a.header.Get(headerReplayed); said != "" {
		return said != "false"
	}
	text, _ := obj["created_at"].(string)
	made, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return false
	}
	answered, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		answered = time.Now()
	}
	return made.Before(answered.Add(-a.took - replayAge))
}
