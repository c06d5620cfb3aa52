package apitype_test

import (
	"slices"
	"testing"

	"github.com/diga-io/diga-api/gen/apitype"
)

type stub struct{}

func (stub) Create() error { return &apitype.NotImplementedError{Operation: "Create"} }
func (stub) Delete() error { return &apitype.NotImplementedError{Operation: "Delete"} }
func (stub) Get() error    { return &apitype.NotImplementedError{Operation: "Get"} }

type byValue struct{ stub }

func (byValue) Delete() error { return nil }

type byPointer struct {
	stub
	_ int
}

func (*byPointer) Get() error { return nil }

// nested has one method by itself, one from a type that it embeds, and the others from the stub.
type nested struct{ *byPointer }

func (nested) Create() error { return nil }

type full struct{}

func (*full) Create() error { return nil }
func (*full) Delete() error { return nil }
func (*full) Get() error    { return nil }

func TestUnimplemented(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		server any
		want   []string
	}{
		{"the stub itself", stub{}, []string{"Create", "Delete", "Get"}},
		{"methods of the value", byValue{}, []string{"Create", "Get"}},
		{"methods of the value, behind a pointer", &byValue{}, []string{"Create", "Get"}},
		{"methods of the pointer", &byPointer{}, []string{"Create", "Delete"}},
		{"embedded twice", nested{&byPointer{}}, []string{"Delete"}},
		{"embedded twice, behind a pointer", &nested{&byPointer{}}, []string{"Delete"}},
		{"everything implemented", &full{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := apitype.Unimplemented(test.server, stub{}); !slices.Equal(got, test.want) {
				t.Errorf("Unimplemented() = %v, want %v", got, test.want)
			}
		})
	}
	err := stub{}.Get()
	if err.Error() != "operation Get is not implemented" {
		t.Errorf("the error of the stub is %q", err)
	}
}
