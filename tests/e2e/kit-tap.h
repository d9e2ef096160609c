/* A wire that listens: what a client and a server write to each other passes through threads of the
 * test, which keep it, so that a test can tell what a program does and not only what comes of it.
 */
#pragma once

#include "kit.h"

typedef struct _KitTap KitTap;

/* Passes connections to `port` on to `target`, both on loopback. An answer to QUIT is held back for
 * a moment, to see whether the client waits for it. */
KitTap *kit_tap (guint port, guint target);
/* What clients wrote, one read a string, messages included; reads of the server stand between them
 * as empty strings. Of all connections, "CONNECT" ahead of each and "CLOSE" where the client ended
 * it without waiting for the answer to QUIT. Free the array. */
GPtrArray *kit_tap_heard (KitTap *tap);
void kit_tap_stop (KitTap *tap); /* and frees it, once its clients are gone */
