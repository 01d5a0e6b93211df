package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
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
// that is being replaced, and the body: the next `up` asks the same thing
// under the same key, and gets the same answer, secrets and all. Without the
// provider's id (older engines) stacks could not be told apart, so the key is
// random then, as it is when the id of the replaced resource is unknown.
func (v *provider) createKey(providerID string, urn resource.URN, body any) (key string, repeatable bool) {
	previous, existed := v.seen.before(urn)
	if providerID == "" || existed && previous == "" {
		return randomKey(), false
	}
	text, err := json.Marshal(body)
	if err != nil {
		return randomKey(), false
	}
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(providerID), []byte(urn), []byte(previous), text} {
		sum.Write(part)
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), true
}

// post sends a create under its repeatable key, and makes sure that the answer
// is about an object that exists now.
//
// A kept answer can be out of date in two ways. It may be a refusal whose
// cause is gone: then it is asked again under a new key. It may name an object
// that somebody has deleted since: an object clearly older than the response
// is looked up, and made anew when it is gone.
func (v *provider) post(ctx context.Context, s *session, urn resource.URN, body object, args []string, query map[string]string, exists func(context.Context, object) (bool, error)) (answer, error) {
	op := s.resource.Create
	key, repeatable := v.createKey(s.id, urn, body)
	started := time.Now()
	got, err := s.call(ctx, "create", op, args, query, body, key)
	if err != nil {
		var refused *Error
		if repeatable && errors.As(err, &refused) && refused.kept() {
			return s.call(ctx, "create", op, args, query, body, randomKey())
		}
		return answer{}, err
	}
	if !repeatable {
		return got, nil
	}
	obj, err := op.result(got.body)
	if err != nil || !replayed(obj, got.header, time.Since(started)) {
		return got, nil
	}
	there, err := exists(ctx, obj)
	if err != nil {
		return answer{}, err
	}
	if there {
		return got, nil
	}
	return s.call(ctx, "create", op, args, query, body, randomKey())
}

// replayed reports whether an object was made well before its create was
// asked for, by the server's own clock.
func replayed(obj object, header http.Header, took time.Duration) bool {
	text, _ := obj["created_at"].(string)
	made, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return false
	}
	answered, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		answered = time.Now()
	}
	return made.Before(answered.Add(-took - replayAge))
}
