// Package wasihttp is a transport of net/http over wasi:http, as a Go vendor writes one on generated bindings: bodies are
// streams both ways.
package wasihttp

import (
	"fmt"
	"io"
	"net/http"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
	handler "wit_component/wasi_http_outgoing_handler"
	types "wit_component/wasi_http_types"
	streams "wit_component/wasi_io_streams"
)

// Most bytes of one write, and of one read.
const piece = 4096

// Transport is an http.RoundTripper.
type Transport struct{}

// RoundTrip sends a request whole, and gives the response when its head is there.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	outgoing, err := outgoingOf(request)
	if err != nil {
		return nil, err
	}
	body := outgoing.Body().Ok()
	asked := handler.Handle(outgoing, witTypes.None[*types.RequestOptions]())
	if asked.IsErr() {
		body.Drop()
		return nil, denied(asked.Err())
	}
	future := asked.Ok()
	defer future.Drop()
	if err := send(request.Body, body); err != nil {
		return nil, err
	}
	ready := future.Subscribe()
	ready.Block()
	ready.Drop()
	answer := future.Get().Some().Ok()
	if answer.IsErr() {
		return nil, denied(answer.Err())
	}
	return responseOf(request, answer.Ok()), nil
}

func outgoingOf(request *http.Request) (*types.OutgoingRequest, error) {
	fields := types.MakeFields()
	for name, values := range request.Header {
		for _, value := range values {
			if fields.Append(name, []byte(value)).IsErr() {
				return nil, fmt.Errorf("wasihttp: header %q is not allowed", name)
			}
		}
	}
	outgoing := types.MakeOutgoingRequest(fields)
	scheme := types.MakeSchemeHttps()
	if request.URL.Scheme == "http" {
		scheme = types.MakeSchemeHttp()
	}
	outgoing.SetMethod(methodOf(request.Method))
	outgoing.SetScheme(witTypes.Some(scheme))
	outgoing.SetAuthority(witTypes.Some(request.URL.Host))
	outgoing.SetPathWithQuery(witTypes.Some(request.URL.RequestURI()))
	return outgoing, nil
}

func methodOf(name string) types.Method {
	switch name {
	case "", http.MethodGet:
		return types.MakeMethodGet()
	case http.MethodHead:
		return types.MakeMethodHead()
	case http.MethodPost:
		return types.MakeMethodPost()
	case http.MethodPut:
		return types.MakeMethodPut()
	case http.MethodDelete:
		return types.MakeMethodDelete()
	default:
		return types.MakeMethodOther(name)
	}
}

func send(from io.ReadCloser, body *types.OutgoingBody) error {
	if from != nil {
		defer from.Close()
		stream := body.Write().Ok()
		_, err := io.CopyBuffer(writer{stream}, from, make([]byte, piece))
		stream.Drop()
		if err != nil {
			body.Drop()
			return err
		}
	}
	if finished := types.OutgoingBodyFinish(body, witTypes.None[*types.Fields]()); finished.IsErr() {
		return denied(finished.Err())
	}
	return nil
}

func responseOf(request *http.Request, incoming *types.IncomingResponse) *http.Response {
	fields := incoming.Headers()
	header := http.Header{}
	for _, entry := range fields.Entries() {
		header.Add(entry.F0, string(entry.F1))
	}
	fields.Drop()
	status := int(incoming.Status())
	body := incoming.Consume().Ok()
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", status, http.StatusText(status)),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          &reader{incoming, body, body.Stream().Ok()},
		ContentLength: -1,
		Request:       request,
	}
}

type writer struct{ stream *streams.OutputStream }

func (w writer) Write(bytes []byte) (int, error) {
	for done := 0; done < len(bytes); {
		end := min(done+piece, len(bytes))
		if w.stream.BlockingWriteAndFlush(bytes[done:end]).IsErr() {
			return done, io.ErrClosedPipe
		}
		done = end
	}
	return len(bytes), nil
}

type reader struct {
	response *types.IncomingResponse
	body     *types.IncomingBody
	stream   *streams.InputStream
}

func (r *reader) Read(into []byte) (int, error) {
	read := r.stream.BlockingRead(uint64(min(len(into), piece)))
	if read.IsOk() {
		return copy(into, read.Ok()), nil
	}
	if read.Err().Tag() == streams.StreamError_Closed {
		return 0, io.EOF
	}
	return 0, io.ErrUnexpectedEOF
}

func (r *reader) Close() error {
	r.stream.Drop()
	r.body.Drop()
	r.response.Drop()
	return nil
}

func denied(code types.ErrorCode) error {
	if code.Tag() == types.ErrorCode_HttpRequestDenied {
		return fmt.Errorf("wasihttp: HTTP-request-denied")
	}
	return fmt.Errorf("wasihttp: error %d of wasi:http", code.Tag())
}
