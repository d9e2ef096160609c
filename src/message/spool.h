/* A message's bytes as the client sent them, after dot-unstuffing: in memory up to a bound, then in
 * a file without a name.
 *
 * Up to MESSAGE_INLINE bytes stand in plain memory; up to `memory` bytes in a memfd; more in an
 * unlinked file in `directory`. */
#pragma once

#include <glib.h>

#define MESSAGE_INLINE                                                                             \
  (64 * 1024) /* what travels to a worker inside a request; more goes as a descriptor */

/* What is appended in runs that end where a multiple of this ends costs a third less: the kernel
 * then keeps it in large pages. */
#define MESSAGE_SPOOL_STEP (256 * 1024)

typedef struct
{
  gsize memory;           /* bytes kept in memory (heap and memfd) before the file */
  const gchar *directory; /* of the unlinked files; outlives the spool */
} MessageSpoolLimits;

typedef struct _MessageSpool MessageSpool;

MessageSpool *message_spool_new (const MessageSpoolLimits *limits);
/* Fails with G_FILE_ERROR (no space, too many descriptors); what was stored before stays readable.
 */
gboolean message_spool_append (MessageSpool *spool, gconstpointer bytes, gsize length,
                               GError **error);
/* Octets up to the next multiple of MESSAGE_SPOOL_STEP. */
gsize message_spool_step (const MessageSpool *spool);
/* Nothing more is appended. Call it before anybody else gets a descriptor. */
void message_spool_finish (MessageSpool *spool);
/* The spool's descriptor, read-only, if it is certain that what is behind it is what was appended:
 * nobody has opened it for writing since it was finished, and nobody can do so in the next moments.
 * Look at it again (F_GETLEASE is F_RDLCK) whenever it is about to be relied on. -1: it is not
 * certain, or there is none. Borrowed. */
gint message_spool_leased (const MessageSpool *spool);
MessageSpool *message_spool_ref (MessageSpool *spool);
void message_spool_unref (MessageSpool *spool); /* NULL is fine; atomic */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MessageSpool, message_spool_unref)

guint64 message_spool_size (const MessageSpool *spool);
/* The whole message when it stands in plain memory, else NULL. Valid until the next append. */
const guint8 *message_spool_inline (const MessageSpool *spool);
/* Reads up to `length` bytes at `offset` with pread (or memcpy); fewer only at the end. -1: error
 * is set. */
gssize message_spool_read (const MessageSpool *spool, guint64 offset, gpointer buffer, gsize length,
                           GError **error);
/* A new O_RDONLY descriptor on a message that is not inline, with an offset of its own (reopened
 * through /proc/self/fd); the caller closes it. -1: error is set. */
gint message_spool_reopen (const MessageSpool *spool, GError **error);
