package contract

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// maxPooledBytes is the size of the buffers that are kept for the next response.
const maxPooledBytes = 64 << 10

// recorder stands in for the writer of a response until it is clear that the response fits the document. A body of JSON
// is held back until it is whole; one of any other declared media type goes out as it comes.
type recorder struct {
	writer    http.ResponseWriter // the real one
	response  *echo.Response
	fresh     echo.Response // the state of response before the handler
	operation *Operation
	outer     savedHeader // the headers before the handler

	status      int
	contentType []string // as it was when status was written
	schema      *schema  // of the body, when it is held back
	body        []byte
	violations  []Violation
	mode        mode
}

// mode is what becomes of the bytes of a body.
type mode uint8

const (
	unwritten mode = iota // no status yet
	held                  // kept for validation
	empty                 // none allowed
	dropped               // the response is refused already, or is one to HEAD
	streaming             // sent on
	hijacked              // the connection is the handler's
)

var recorders = sync.Pool{New: func() any { return new(recorder) }}

// record puts a recorder in place of the writer of c's response.
func (o *Operation) record(c echo.Context) *recorder {
	r := recorders.Get().(*recorder)
	r.operation = o
	r.response = c.Response()
	r.writer = r.response.Writer
	r.fresh = *r.response
	r.fresh.Writer = r
	r.response.Writer = r
	r.outer.save(r.writer.Header())
	return r
}

// release puts the real writer back.
func (r *recorder) release() {
	r.response.Writer = r.writer
	body := r.body[:0]
	if cap(body) > maxPooledBytes {
		body = nil
	}
	outer := r.outer
	outer.reset()
	*r = recorder{body: body, outer: outer}
	recorders.Put(r)
}

// discard forgets the response, its headers and what it told echo.Response, so that another can be written in its place.
func (r *recorder) discard() {
	*r.response = r.fresh
	r.outer.restore(r.writer.Header())
	r.status, r.contentType, r.schema, r.violations, r.mode = 0, nil, nil, nil, unwritten
	r.body = r.body[:0]
}

// sent says whether something of the response is out already.
func (r *recorder) sent() bool { return r.mode == streaming || r.mode == hijacked }

func (r *recorder) Header() http.Header { return r.writer.Header() }

// Unwrap is for http.ResponseController: deadlines and the like are those of the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.writer }

func (r *recorder) WriteHeader(status int) {
	if r.mode != unwritten || status < 200 && status != http.StatusSwitchingProtocols {
		return // the first one counts; informational ones are no part of the contract
	}
	r.status = status
	declared := r.operation.response(status)
	if declared == nil {
		r.refuse(Violation{In: "status", Keyword: "responses", Message: "Status should be a declared one"})
		return
	}
	header := r.Header()
	r.contentType = header[echo.HeaderContentType]
	r.violations = declared.checkHeaders(header)
	method := r.operation.Method
	switch {
	case bodyless(method, status):
		r.mode = empty
		if method == http.MethodHead {
			r.mode = dropped // the handler may write what it would write to GET
		}
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

// FlushError sends on what is sent on at all. What is held back stays so.
func (r *recorder) FlushError() error {
	if r.mode == unwritten {
		r.WriteHeader(http.StatusOK)
	}
	if r.mode != streaming {
		return nil
	}
	return http.NewResponseController(r.writer).Flush()
}

// Flush is FlushError for those who look for an http.Flusher.
func (r *recorder) Flush() { _ = r.FlushError() }

// Hijack hands over the connection, and with it what is sent.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.writer).Hijack()
	if err == nil {
		r.mode = hijacked
	}
	return conn, rw, err
}

// verdict is how the recorded response breaks the document; nil when it does not.
func (r *recorder) verdict() *ResponseError {
	violations := r.violations
	switch r.mode {
	case unwritten:
		violations = []Violation{{In: "status", Keyword: "responses", Message: "Nothing was written"}}
	case held:
		if r.schema.quick.accepts(r.body) {
			break
		}
		value, err := decodeJSON(r.body)
		if err != nil {
			violations = append(violations, undecodable("body", "", "Body should be valid JSON", err))
			break
		}
		violations = append(violations, r.schema.validate(value, "body", "", openapi3.VisitAsResponse())...)
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
		header[echo.HeaderContentType] = r.contentType // the validated one
	}
	if r.mode == held {
		header[echo.HeaderContentLength] = []string{strconv.Itoa(len(r.body))}
	}
	r.writer.WriteHeader(r.status)
	if r.mode != held {
		return nil
	}
	_, err := r.writer.Write(r.body)
	return err
}

// savedHeader is a copy of a header map, in memory that is used again.
type savedHeader struct {
	names  []string
	counts []int
	values []string
}

func (s *savedHeader) save(header http.Header) {
	for name, values := range header {
		s.names = append(s.names, name)
		s.counts = append(s.counts, len(values))
		s.values = append(s.values, values...)
	}
}

// restore makes header what it was. Mostly it is: a handler that returns an error has seldom set one.
func (s *savedHeader) restore(header http.Header) {
	if s.equals(header) {
		return
	}
	clear(header)
	values := s.values
	for i, name := range s.names {
		count := s.counts[i]
		header[name] = append([]string(nil), values[:count]...)
		values = values[count:]
	}
}

func (s *savedHeader) equals(header http.Header) bool {
	if len(header) != len(s.names) {
		return false
	}
	values := s.values
	for i, name := range s.names {
		count := s.counts[i]
		if !slices.Equal(header[name], values[:count]) {
			return false
		}
		values = values[count:]
	}
	return true
}

func (s *savedHeader) reset() {
	clear(s.names)
	clear(s.values)
	s.names, s.counts, s.values = s.names[:0], s.counts[:0], s.values[:0]
}
