package server

import (
	"context"

	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

var _ apiserver.StrictServerInterface = (*operations)(nil)

// DeleteAPIKey is DELETE /v1/api_key/{id}: it deletes a key of the caller's project, for good. The caller's own key
// may be the one.
//
//	200 {}   deleted; the key is refused from now on
//	403      the caller's key lacks api_keys.delete
//	404      no such key, deleted already, or of another project: the caller cannot tell which
//	500      the store could not answer; whether the key was deleted is unknown, and asking again is safe
//
// 403 for a caller without a good key and 422 for a malformed id are answered before this is reached.
func (o *operations) DeleteAPIKey(ctx context.Context, request apiserver.DeleteAPIKeyRequestObject) (apiserver.DeleteAPIKeyResponseObject, error) {
	exchange := exchangeOf(ctx)
	caller := &exchange.caller
	if !caller.May(apikey.PermissionDelete) {
		return nil, errForbidden
	}
	tombstone := apikey.Deletion{At: o.now(), By: caller.ID, RequestID: exchange.requestID}
	if err := o.keys.Delete(ctx, caller.ProjectID, request.ID, tombstone); err != nil {
		return nil, err
	}
	return apiserver.DeleteAPIKey200JSONResponse(apitype.Of(struct{}{})), nil
}
