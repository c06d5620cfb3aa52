package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"
)

// requestBody is the body of a request that announces one. It records how far the body was read.
type requestBody struct {
	io.ReadCloser
	err error // of the last Read; io.EOF if all was read
}

// bodyError means that the body of a request could not be read. The client, or the network, is to blame.
type bodyError struct{ error }

// Unwrap returns the cause.
func (e bodyError) Unwrap() error { return e.error }

// Read implements io.Reader. Its errors are io.EOF and bodyError.
func (b *requestBody) Read(p []byte) (n int, err error) {
	n, err = b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = bodyError{err}
	}
	b.err = err
	return n, err
}

// timedOut reports whether the body did not arrive before a deadline.
func (b *requestBody) timedOut() bool { return errors.Is(b.err, os.ErrDeadlineExceeded) }

const (
	// arrival is how long a response waits for the rest of a body that the operation did not read. Most of these bodies
	// have arrived with the header, or are in the buffers of the operating system.
	arrival = time.Millisecond
	// linger is how long a connection that closes after a response takes the rest of the request. If the server closed it at
	// once, the client's operating system could discard the response.
	linger = time.Second
	// maxDrained is the length of a body for which a response does not wait. It is the limit of net/http.
	maxDrained = 256 << 10
)

// limitBody gives the body of the request of c until the request's deadline to arrive, and keeps a body that the
// operation does not read from holding the connection.
//
// Net/http sends no response before it has read the rest of an announced body, unless the response closes the connection.
// So if the body has not arrived when the response is sent, the connection closes after it, and unread is called.
func (x *exchange) limitBody(c echo.Context, deadline time.Time, unread func(*http.Request)) {
	request, response := c.Request(), c.Response()
	body := &requestBody{ReadCloser: request.Body}
	x.body, request.Body = body, body
	control := http.NewResponseController(response.Writer)
	_ = control.SetReadDeadline(deadline) // fails only for a writer that is not net/http's
	if request.ProtoMajor != 1 {
		return // HTTP/2 resets the stream of a body that is not read
	}
	// A read of a body with Expect asks the client for the body. A chunked body keeps the error of a read, so that its
	// connection could not linger.
	drains := 0 < request.ContentLength && request.ContentLength <= maxDrained && request.Header.Get("Expect") == ""
	response.Before(func() {
		if drains && body.err == nil && control.SetReadDeadline(time.Now().Add(arrival)) == nil {
			_, _ = io.Copy(io.Discard, body)
		}
		if errors.Is(body.err, io.EOF) {
			return
		}
		response.Header().Set(echo.HeaderConnection, "close")
		_ = control.SetReadDeadline(time.Now().Add(linger))
		unread(request)
	})
}
