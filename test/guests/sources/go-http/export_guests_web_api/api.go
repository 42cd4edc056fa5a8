// Package export_guests_web_api is the tool itself: net/http's client, which knows of WASI by its transport alone.
package export_guests_web_api

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/wasihttp"
)

var client = http.Client{Transport: wasihttp.Transport{}}

// Request posts a body, or gets where there is none.
func Request(url string, body witTypes.Option[string]) witTypes.Result[string, string] {
	text, err := ask(url, body)
	if err != nil {
		return witTypes.Err[string, string](err.Error())
	}
	return witTypes.Ok[string, string](text)
}

func ask(url string, body witTypes.Option[string]) (string, error) {
	method, contents := http.MethodGet, io.Reader(nil)
	if body.IsSome() {
		method, contents = http.MethodPost, strings.NewReader(body.Some())
	}
	request, err := http.NewRequest(method, url, contents)
	if err != nil {
		return "", err
	}
	request.Header.Set("x-by", "net/http")
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s", response.StatusCode, answer), err
}
