/* The real scanners of Debian, each started with its whole configuration in the test's folder:
 * local sockets and loopback ports, signatures and rules of our own, no network. */
#pragma once

#include "../../e2e/kit.h"

/* A message with this is infected, for our signature. */
#define SCANNERS_VIRUS "Mailweir-test-signature-not-a-virus"
#define SCANNERS_SIGNATURE "Mailweir.Test.Signature.UNOFFICIAL"
#define SCANNERS_STREAM_MAX (256 * 1024) /* clamd's own limits */
#define SCANNERS_FILE_MAX (384 * 1024)

/* Rules of ours, and their scores; 5 is spam. The harness's client (TEST_RELAY) and its sender
 * (TEST_SENDER) have 0.5 each. */
#define SCANNERS_SPAM "MAILWEIR-TEST-SPAM" /* 12.5 */
#define SCANNERS_HINT "MAILWEIR-TEST-HINT" /* 3 */

/* NULL, or why a test must be skipped. */
const char *scanners_missing (const char *program);
/* clamd on the port and on the socket NAME.sock of the folder; waits until it answers. */
KitProcess *scanners_clamd (const char *name, guint port);
/* spamd on NAME.sock. End it with SIGTERM: it has children. */
KitProcess *scanners_spamd (const char *name);
