package contract

import (
	"bufio"
	"maps"
	"net"
	"net/http"
	"strconv"
)

// recorder replaces the writer of a response until the response is known to be valid. It holds back a JSON body until
// the body is complete, and passes on a body of any other declared media type as the handler writes it.
type recorder struct {
	writer    http.ResponseWriter // of the connection
	operation *Operation
	outer     http.Header // the headers before the handler; shares their values, which Set and Add leave as they are
	author    author

	status      int
	contentType []string // as it was when status was written
	schema      *schema  // of the body, when it is held back
	body        []byte
	violations  []Violation
	mode        mode
}

// author is the layer that wrote the recorded response. It decides what has to be valid.
type author uint8

const (
	handler      author = iota
	errorHandler        // which answers for the handler
	server              // may send statuses that the operation does not declare; loses a body that it does not declare
	lastResort          // is sent in any case
)

// mode is what becomes of the bytes of a body.
type mode uint8

const (
	unwritten mode = iota // no status yet
	held                  // kept, and validated if there is a schema
	empty                 // not allowed
	dropped               // ignored, because the response is invalid already, answers HEAD, or is the server's own
	streaming             // passed on
	hijacked              // the connection belongs to the handler
)

func newRecorder(o *Operation, w http.ResponseWriter) *recorder {
	return &recorder{writer: w, operation: o, outer: maps.Clone(w.Header())}
}

// discard forgets the response and its headers, so that another can be written in its place.
func (r *recorder) discard() {
	header := r.writer.Header()
	clear(header)
	maps.Copy(header, r.outer)
	*r = recorder{writer: r.writer, operation: r.operation, outer: r.outer, author: r.author}
}

// sent reports whether the client has received part of the response already.
func (r *recorder) sent() bool { return r.mode == streaming || r.mode == hijacked }

func (r *recorder) Header() http.Header { return r.writer.Header() }

// Unwrap gives http.ResponseController access to the deadlines of the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.writer }

func (r *recorder) WriteHeader(status int) {
	if r.mode != unwritten || status < 200 && status != http.StatusSwitchingProtocols {
		return // the first status counts, and informational ones are not part of the contract
	}
	r.status = status
	header := r.Header()
	r.contentType = header["Content-Type"]
	method := r.operation.Method
	declared := r.operation.response(status)
	switch {
	case r.author == lastResort || declared == nil && r.author == server:
		r.mode = held
		if bodyless(method, status) {
			r.mode = dropped
		}
		return
	case declared == nil:
		r.refuse(Violation{In: "status", Keyword: "responses", Message: "Status should be a declared one"})
		return
	}
	r.violations = declared.checkHeaders(header)
	switch {
	case bodyless(method, status):
		r.mode = empty
		if method == http.MethodHead {
			r.mode = dropped // the handler may write what it would write to GET
		}
	case len(declared.content.declared) == 0 && r.author == server:
		r.mode, r.contentType = dropped, nil
		header.Del("Content-Type")
	case len(declared.content.declared) == 0:
		r.mode = empty
	default:
		r.begin(&declared.content)
	}
}

// begin decides by the media type what becomes of the body.
func (r *recorder) begin(declared *content) {
	contentType := ""
	if len(r.contentType) > 0 {
		contentType = r.contentType[0]
	}
	if r.schema = declared.json[contentType]; r.schema != nil {
		r.mode = held
		return
	}
	media := declared.declared.Get(contentType)
	switch {
	case media == nil:
		r.refuse(wrongMediaType)
	case declared.schemas[media] != nil && isJSON(contentType, media):
		r.mode, r.schema = held, declared.schemas[media]
	case len(r.violations) > 0:
		r.mode = dropped
	default:
		r.mode = streaming
		r.writer.WriteHeader(r.status)
	}
}

func (r *recorder) refuse(v Violation) {
	r.violations = append(r.violations, v)
	r.mode = dropped
}

func (r *recorder) Write(data []byte) (int, error) {
	if r.mode == unwritten {
		r.WriteHeader(http.StatusOK)
	}
	switch r.mode {
	case held:
		r.body = append(r.body, data...)
	case streaming:
		return r.writer.Write(data)
	case hijacked:
		return 0, http.ErrHijacked
	case empty:
		if len(data) > 0 {
			r.refuse(Violation{In: "body", Keyword: "content", Message: "Body should be empty"})
		}
	}
	return len(data), nil
}

// FlushError flushes a body that is passed on. A body that is held back stays so.
func (r *recorder) FlushError() error {
	if r.mode == unwritten {
		r.WriteHeader(http.StatusOK)
	}
	if r.mode != streaming {
		return nil
	}
	return http.NewResponseController(r.writer).Flush()
}

// Flush implements http.Flusher.
func (r *recorder) Flush() { _ = r.FlushError() }

// Hijack hands the connection to the handler, together with the choice of what is sent.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.writer).Hijack()
	if err == nil {
		r.mode = hijacked
	}
	return conn, rw, err
}

// verdict returns the violations of the recorded response; nil if it is valid.
func (r *recorder) verdict() *ResponseError {
	violations := r.violations
	switch r.mode {
	case unwritten:
		violations = []Violation{{In: "status", Keyword: "responses", Message: "Nothing was written"}}
	case held:
		if r.schema == nil { // the server's own answer, with a status that is not declared
			if len(r.body) == 0 {
				violations = []Violation{{In: "body", Keyword: "content", Message: "Body should not be empty"}}
			}
			break
		}
		violations = append(violations, r.schema.validate(r.body, "body", "")...)
	}
	if len(violations) == 0 {
		return nil
	}
	return &ResponseError{
		Operation: r.operation, Status: r.status, Violations: violations[:min(len(violations), maxViolations)],
	}
}

// send sends the recorded response.
func (r *recorder) send() error {
	if r.sent() {
		return nil
	}
	header := r.Header()
	if r.contentType != nil {
		header["Content-Type"] = r.contentType // the validated one
	}
	if r.mode == held {
		header["Content-Length"] = []string{strconv.Itoa(len(r.body))}
	}
	r.writer.WriteHeader(r.status)
	if r.mode != held {
		return nil
	}
	_, err := r.writer.Write(r.body)
	return err
}
