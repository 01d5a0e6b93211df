package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

const (
	maxBody      = 2 << 20 // bytes
	maxBodyDepth = 32
)

// readBody reads, decodes and admits the body of a request. It returns the
// body in canonical form: members sorted, absent members gone. A request
// without a body gives nil.
func readBody(op *operation, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &problem{
			status: http.StatusRequestEntityTooLarge,
			code:   codePayloadTooLarge,
			detail: fmt.Sprintf("the body must have at most %d bytes", maxBody),
		}
	case err != nil:
		return nil, malformed("the body could not be read to its end")
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		if op.body != nil && op.needBody {
			return nil, malformed("this request needs a JSON body")
		}
		return nil, nil
	}
	if op.body == nil {
		// Some clients send {} with every POST.
		if value, err := decodeJSON(raw); err == nil {
			if object, ok := value.(map[string]any); ok && len(object) == 0 {
				return nil, nil
			}
		}
		return nil, malformed("this request takes no body")
	}
	if err := checkMediaType(r.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	value, err := decodeJSON(raw)
	if err != nil {
		return nil, err
	}
	if _, ok := value.(map[string]any); !ok {
		return nil, malformed("the body must be a JSON object, not %s", jsonType(value))
	}
	admitted, wrong := admit(op.body, value, "")
	if len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	return json.Marshal(admitted)
}

func checkMediaType(header string) error {
	kind, params, err := mime.ParseMediaType(header)
	if err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")) {
		if charset := params["charset"]; charset == "" || strings.EqualFold(charset, "utf-8") {
			return nil
		}
	}
	return &problem{
		status: http.StatusUnsupportedMediaType,
		code:   codeUnsupportedMediaType,
		detail: "the body must be application/json in UTF-8; set the Content-Type header to application/json",
	}
}

// decodeJSON reads exactly one JSON value. Unlike encoding/json it refuses
// repeated members, text that is not UTF-8 and deep nesting: each could make
// two readers of one body see different things.
func decodeJSON(raw []byte) (any, error) {
	if !utf8.Valid(raw) {
		return nil, malformed("the body is not valid UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	value, err := decodeValue(decoder, "", 0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, malformed("the body continues after its JSON value at byte %d", decoder.InputOffset())
	}
	return value, nil
}

func decodeValue(decoder *json.Decoder, path string, depth int) (any, error) {
	if depth > maxBodyDepth {
		return nil, malformed("the body is nested deeper than %d levels", maxBodyDepth)
	}
	token, err := decoder.Token()
	if err != nil {
		// The decoder's message may quote the body, which may be a secret.
		return nil, malformed("the body is not valid JSON near byte %d", decoder.InputOffset())
	}
	switch token {
	case json.Delim('{'):
		object := map[string]any{}
		for decoder.More() {
			token, err := decoder.Token()
			if err != nil {
				return nil, malformed("the body is not valid JSON near byte %d", decoder.InputOffset())
			}
			name := token.(string) // the decoder admits nothing else here
			if _, repeated := object[name]; repeated {
				return nil, invalid(fieldError{join(path, name), "is given more than once"})
			}
			if object[name], err = decodeValue(decoder, join(path, name), depth+1); err != nil {
				return nil, err
			}
		}
		if _, err := decoder.Token(); err != nil {
			return nil, malformed("the body is not valid JSON near byte %d", decoder.InputOffset())
		}
		return object, nil
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			item, err := decodeValue(decoder, path, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		if _, err := decoder.Token(); err != nil {
			return nil, malformed("the body is not valid JSON near byte %d", decoder.InputOffset())
		}
		return list, nil
	}
	return token, nil
}

// checkParameters checks path and query parameters against the document.
func checkParameters(op *operation, path map[string]string, rawQuery string) error {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return malformed("the query string is not well-formed")
	}
	var wrong []fieldError
	known := map[string]*shape{}
	for _, p := range op.params {
		switch p.in {
		case "path":
			_, bad := admit(p.shape, path[p.name], p.name)
			wrong = append(wrong, bad...)
		case "query":
			known[p.name] = p.shape
			values, given := query[p.name]
			switch {
			case !given && p.required:
				wrong = append(wrong, fieldError{p.name, "is required in the query"})
			case len(values) > 1:
				wrong = append(wrong, fieldError{p.name, "is given more than once"})
			case given:
				wrong = append(wrong, checkQuery(p, values[0])...)
			}
		}
	}
	for name := range query {
		if known[name] == nil {
			wrong = append(wrong, fieldError{name, "is not a parameter of this request" + suggestion(name, known)})
		}
	}
	if len(wrong) > 0 {
		return invalid(wrong...)
	}
	return nil
}

func checkQuery(p parameter, text string) []fieldError {
	var value any = text
	switch p.shape.kind {
	case "integer", "number":
		// strconv's and JSON's numbers differ: the generated binding reads
		// only plain decimal digits.
		for i, r := range text {
			if (r < '0' || r > '9') && (r != '-' || i > 0) {
				return []fieldError{{p.name, "must be " + article(p.shape.kind)}}
			}
		}
		value = json.Number(text)
	case "boolean":
		value = text == "true"
		if text != "true" && text != "false" {
			value = text
		}
	}
	_, wrong := admit(p.shape, value, p.name)
	return wrong
}
