/* Sending on what stands in a quarantine. */
#pragma once

#include "commands/quarantine-entry.h"
#include "config/config.h"

typedef enum
{
  QUARANTINE_RELEASED, /* all recipients have it, and it is gone from the quarantine */
  QUARANTINE_DEFERRED, /* some have not, for now */
  QUARANTINE_REFUSED   /* some will not */
} QuarantineRelease;

/* Hands the original message, with its envelope, to the destinations of the routes that claim its
 * recipients at the listener it came by: to the mail server itself, by no listener of ours, so that
 * no filter sees it again and it can not come back. A malformed header is mended, as the gateway
 * does. Each recipient's fate is printed; those who
 * have it are taken out of the entry at once, and with the last one the entry is deleted. `error`
 * is set when the quarantine itself could not be changed. */
QuarantineRelease quarantine_release (QuarantineEntry *entry, const Config *config,
                                      GHashTable *senders, GError **error);

/* What the servers of each route are spoken to with, ConfigRoute → opaque: passwords and keys are
 * read here, with the rights that the caller has now. Those that can not be read only defer what
 * goes by their routes. Caller unrefs. */
GHashTable *quarantine_senders_new (const Config *config, ConfigSources *secrets);
