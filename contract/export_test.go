package contract

// TextFormats are the checks of formats, for the comparison with stock kin-openapi.
var TextFormats = textFormats
