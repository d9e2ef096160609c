/* A connection to another program (a scanner), with one deadline over everything that is done with
 * it. Every error names the program, its address and what went wrong. */
#pragma once

#include <glib.h>

typedef struct _CommonPeer CommonPeer;

/* What is wrong with an address: "/path/of/a.socket", "host:port", "192.0.2.1:port",
 * "[2001:db8::1]:port". NULL: nothing. */
const char *common_peer_check (const char *address);
gboolean common_peer_is_local (const char *address); /* a path */

/* Connects. `what` is the program's name in errors; both strings are borrowed until the peer is
 * freed. `left` is what weir_time_left() says, in ms; everything ends a little earlier, so that
 * there is time to say why. A host's name is looked up by the system's resolver, which keeps to
 * limits of its own. NULL: error. */
CommonPeer *common_peer_connect (const char *what, const char *address, gint64 left,
                                 GError **error);
/* The same of a connection that is there already, whose descriptor is non-blocking and becomes the
 * peer's. */
CommonPeer *common_peer_adopt (const char *what, const char *address, int descriptor, gint64 left);
/* The connection itself, for its options; the peer's. */
int common_peer_descriptor (const CommonPeer *peer);
/* Frees the peer, but leaves its connection open; the descriptor is the caller's. */
int common_peer_release (CommonPeer *peer);
/* From now on nothing takes longer than this altogether, until the next such call; nor longer than
 * what was left at the beginning. */
void common_peer_wait_at_most (CommonPeer *peer, gint64 milliseconds);
/* Closes the connection, whatever is under way on it. NULL is fine. */
void common_peer_free (CommonPeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CommonPeer, common_peer_free)

/* All of it, or FALSE. G_FILE_ERROR_PIPE: the other side has stopped taking it, and may have said
 * why: common_peer_read() still works. */
gboolean common_peer_write (CommonPeer *peer, gconstpointer bytes, gsize length, GError **error);
/* With one octet 0; `descriptor` stays the caller's. For a local socket. */
gboolean common_peer_send_descriptor (CommonPeer *peer, int descriptor, GError **error);
void common_peer_end_writing (CommonPeer *peer);

/* Waits for one more piece; its length, 0 at the end, -1: error. */
gssize common_peer_read_some (CommonPeer *peer, gpointer buffer, gsize size, GError **error);

#define COMMON_PEER_TO_THE_END -1
/* What the other side says, without the octet `end` that ends it, or (COMMON_PEER_TO_THE_END) until
 * it closes. More than `most` octets, or the connection's end before `end`, is an error. Caller
 * frees. */
GString *common_peer_read (CommonPeer *peer, int end, gsize most, GError **error);
