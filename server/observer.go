package server

import (
	"context"
	"net/http"
	"time"

	"github.com/diga-io/diga-api/contract"
)

// Observer is told of every request, for metrics and traces. It is called within the request, by many goroutines at
// the same time. Package telemetry implements it; this package knows no monitoring system.
type Observer interface {
	// Begin is told of a request that was routed to operation, nil outside the contract, and gives the context that
	// the request goes on with. The method is that of Outcome.
	Begin(ctx context.Context, operation *contract.Operation, method string, header http.Header) context.Context
	// End is told of the answer, with that context.
	End(ctx context.Context, outcome Outcome)
}

// Outcome is how a request ended.
type Outcome struct {
	Operation  *contract.Operation // nil outside the contract
	Method     string              // one that HTTP knows, or "other", so that callers cannot invent any
	Status     int                 // that was sent
	Duration   time.Duration
	Violations []Violation // of the contract: the request's, and those of our own answers that were held back
}

// Violation is one way in which a request, or an answer of ours, broke the contract.
type Violation struct {
	Direction string // "request" or "response"
	Status    int    // with which the request was answered, or which the response had
	Keyword   string // see contract.Violation
}

// Directions of a Violation.
const (
	directionRequest  = "request"
	directionResponse = "response"
)

// nobody observes when Options name no Observer.
type nobody struct{}

func (nobody) Begin(ctx context.Context, _ *contract.Operation, _ string, _ http.Header) context.Context {
	return ctx
}
func (nobody) End(context.Context, Outcome) {}

// knownMethod is the method, or "other": what a caller can choose freely reaches neither log nor metrics.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "other"
}

// violated notes what the observer is told of at the end of the request.
func (x *exchange) violated(direction string, status int, violations []contract.Violation) {
	for _, violation := range violations {
		x.violations = append(x.violations, Violation{Direction: direction, Status: status, Keyword: violation.Keyword})
	}
}
