// A peer of WebSocket, coder/websocket, which the tests start as a server or as a client.
//
//	websocket server         prints its port, and then a line for each connection that is over
//	websocket client URL     does everything below with a server of the tests
//	websocket echo URL       only sends messages, and gets them back
//
// Both sides know the paths of tests/interop/websocket_peers.py. What is not as it should be is said, and the
// exit code is 1.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const large = 3 << 20

// A frame with an opcode that is reserved (RFC 6455 section 5.2): a client's is masked.
var (
	reservedOfServer = []byte{0x83, 0}
	reservedOfClient = []byte{0x83, 0x80, 1, 2, 3, 4}
)

type connection struct{}

func fail(words string, values ...any) {
	fmt.Printf(words+"\n", values...)
	os.Exit(1)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	switch os.Args[1] {
	case "server":
		serve()
	case "client":
		client(ctx, os.Args[2])
	case "echo":
		echo(ctx, os.Args[2]).Close(websocket.StatusNormalClosure, "")
	}
	fmt.Println("right")
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail("%v", err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{
		Handler: http.HandlerFunc(answer),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connection{}, conn)
		},
	}
	fail("%v", server.Serve(listener))
}

func answer(writer http.ResponseWriter, request *http.Request) {
	if request.URL.Path == "/nowhere" {
		http.NotFound(writer, request)
		return
	}
	mode := websocket.CompressionDisabled
	if request.URL.RawQuery != "plain" {
		mode = websocket.CompressionContextTakeover
	}
	if request.URL.RawQuery == "forgets" {
		mode = websocket.CompressionNoContextTakeover
	}
	ws, err := websocket.Accept(writer, request, &websocket.AcceptOptions{
		Subprotocols: []string{"chat"}, CompressionMode: mode, CompressionThreshold: 1,
	})
	if err != nil {
		return
	}
	defer ws.CloseNow()
	ws.SetReadLimit(-1)
	ctx := context.Background()
	switch request.URL.Path {
	case "/closes":
		ws.Close(4001, "enough")
		return
	case "/pings":
		pong(ctx, ws)
	case "/breaks":
		request.Context().Value(connection{}).(net.Conn).Write(reservedOfServer)
	case "/fragments":
		fragments(ctx, ws)
	}
	for {
		kind, message, err := ws.Read(ctx)
		if err != nil {
			var closed websocket.CloseError
			errors.As(err, &closed)
			fmt.Println("closed", int(closed.Code), closed.Reason)
			return
		}
		if err := ws.Write(ctx, kind, message); err != nil {
			fmt.Println("failed", err)
			return
		}
	}
}

// Ping, and say so when the answer has come: somebody has to read meanwhile.
func pong(ctx context.Context, ws *websocket.Conn) {
	go func() {
		if err := ws.Ping(ctx); err == nil {
			ws.Write(ctx, websocket.MessageText, []byte("answered"))
		}
	}()
}

// A message in pieces: each write of a message that is not compressed is a frame.
func fragments(ctx context.Context, ws *websocket.Conn) {
	writer, err := ws.Writer(ctx, websocket.MessageText)
	if err != nil {
		fail("%v", err)
	}
	for range 3 {
		writer.Write([]byte("piece "))
	}
	writer.Close()
}

func dial(ctx context.Context, url string, mode websocket.CompressionMode) (*websocket.Conn, net.Conn) {
	var raw net.Conn
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		raw = conn
		return conn, err
	}}
	ws, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"chat"},
		CompressionMode: mode, CompressionThreshold: 1,
	})
	if err != nil {
		fail("%s: %v", url, err)
	}
	ws.SetReadLimit(-1)
	if ws.Subprotocol() != "chat" {
		fail("the subprotocol is %q", ws.Subprotocol())
	}
	agreed := strings.Contains(response.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
	if agreed != (mode != websocket.CompressionDisabled) {
		fail("compression: %v", agreed)
	}
	return ws, raw
}

// The message of that many octets.
func message(kind websocket.MessageType, size int) []byte {
	if kind == websocket.MessageText {
		return []byte(strings.Repeat("x", size%2) + strings.Repeat("ü", size/2))
	}
	octets := make([]byte, size)
	for at := range octets {
		octets[at] = byte(at*7 + at>>8)
	}
	return octets
}

func sendBack(ctx context.Context, ws *websocket.Conn) {
	for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, large} {
			sent := message(kind, size)
			if err := ws.Write(ctx, kind, sent); err != nil {
				fail("sending %d octets: %v", size, err)
			}
			back, got, err := ws.Read(ctx)
			if err != nil || back != kind || !bytes.Equal(got, sent) {
				fail("%d octets of %v came back as %d of %v: %v", size, kind, len(got), back, err)
			}
		}
	}
}

func echo(ctx context.Context, url string) *websocket.Conn {
	ws, _ := dial(ctx, url+"/echo", websocket.CompressionContextTakeover)
	sendBack(ctx, ws)
	return ws
}

// The code and the reason that the server closes with.
func closed(ctx context.Context, ws *websocket.Conn, code websocket.StatusCode, reason string) {
	_, _, err := ws.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || !strings.Contains(closed.Reason, reason) {
		fail("closed by %v", err)
	}
}

func expect(ctx context.Context, ws *websocket.Conn, words string) {
	if _, got, err := ws.Read(ctx); err != nil || string(got) != words {
		fail("%q instead of %q: %v", got, words, err)
	}
}

func client(ctx context.Context, url string) {
	for _, mode := range []websocket.CompressionMode{
		websocket.CompressionDisabled, websocket.CompressionNoContextTakeover, websocket.CompressionContextTakeover,
	} {
		ws, _ := dial(ctx, url+"/echo", mode)
		sendBack(ctx, ws)
		fragments(ctx, ws)
		expect(ctx, ws, "piece piece piece ")
		pong(ctx, ws)
		expect(ctx, ws, "answered")
		if err := ws.Close(4000, "done"); err != nil {
			fail("closing: %v", err)
		}
	}
	ws, _ := dial(ctx, url+"/closes", websocket.CompressionDisabled)
	closed(ctx, ws, 4001, "enough")

	ws, _ = dial(ctx, url+"/pings", websocket.CompressionDisabled)
	expect(ctx, ws, "answered")
	ws.Close(websocket.StatusNormalClosure, "")

	ws, _ = dial(ctx, url+"/fragments", websocket.CompressionContextTakeover)
	expect(ctx, ws, "piece piece piece ")
	ws.Close(websocket.StatusNormalClosure, "")

	ws, raw := dial(ctx, url+"/echo", websocket.CompressionDisabled)
	raw.Write(reservedOfClient)
	closed(ctx, ws, websocket.StatusProtocolError, "")

	if _, response, err := websocket.Dial(ctx, url+"/nowhere", nil); err == nil || response.StatusCode != 404 {
		fail("not refused: %v", err)
	}
}
