// connect-go and grpc-go against ConformanceService: every stream kind in every dress.
//
//	interop HOST:PORT
package main

import (
	"fmt"
	"os"
)

const service = "/connectrpc.conformance.v1.ConformanceService/"

func main() {
	address := os.Args[1]
	passed, failed := 0, 0
	count := func(p, f int) { passed, failed = passed+p, failed+f }
	for name, c := range connectClients(address) {
		count(runCases("connect-go "+name, c, c.isHTTP2))
	}
	for _, compressor := range []string{"identity", "gzip"} {
		c, err := newGrpcClient(address, compressor)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		count(runCases("grpc-go "+compressor, c, true))
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
