package server

import (
	"context"

	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

var _ apiserver.StrictServerInterface = (*operations)(nil)

// DeleteAPIKey serves DELETE /v1/api_key/{id}. It permanently deletes a key of the caller's project, which may be the
// caller's own key.
//
//	200 {}   deleted; the key is rejected from now on
//	403      the caller's key lacks api_keys.delete
//	404      the key does not exist, was deleted before, or belongs to another project; the answer is the same for all three
//	500      the store failed; the key may have been deleted, and it is safe to try again
//
// Package contract answers 403 for a request without a valid key and 422 for an invalid id before this method is called.
func (o *operations) DeleteAPIKey(ctx context.Context, request apiserver.DeleteAPIKeyRequestObject) (apiserver.DeleteAPIKeyResponseObject, error) {
	x := exchangeOf(ctx)
	if !x.caller.May(apikey.PermissionDelete) {
		return nil, errForbidden
	}
	tombstone := apikey.Deletion{At: o.now(), By: x.caller.ID, RequestID: x.requestID}
	if err := o.keys.Delete(ctx, x.caller.ProjectID, request.ID, tombstone); err != nil {
		return nil, err
	}
	return apiserver.DeleteAPIKey200JSONResponse(apitype.Of(struct{}{})), nil
}
