/* All that a filter module may use. A filter is one shared object that exports one constant:
 *
 *   static WeirVerdict
 *   no_noise (WeirContext *context)
 *   {
 *     if (weir_header_find (context, "X-Noise", 0) != WEIR_NO_HEADER)
 *       return weir_reply (context, 550, "5.7.1", "no noise, please");
 *     return WEIR_PASS;
 *   }
 *
 *   WEIR_EXPORT const WeirFilter weir_filter = {
 *     WEIR_FILTER_HEADER, .name = "no-noise", .summary = "refuses messages with an X-Noise field",
 *     .end_of_headers = no_noise,
 *   };
 *
 * Lifetimes. "Of the configuration": from `load` until the process ends; read-only once `load` has
 * returned. "Of the session": the state block. "Of the call": until the hook returns; every pointer
 * that a question returns is of the call unless it says otherwise, belongs to the host, and is
 * never freed by the filter. NULL is never passed to a hook and only accepted where it is said.
 *
 * Processes. Hooks run in a worker process with one thread, one call at a time; the next call of
 * the same session may run in another process. Static variables are therefore good for caches only.
 * A hook may block until its filter's `timeout`; a crash or a hang costs the one message, answered
 * as the filter's `on-failure` says. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define WEIR_FILTER_ABI 1
#define WEIR_EXPORT __attribute__ ((visibility ("default")))
#define WEIR_API extern WEIR_EXPORT

typedef struct _WeirContext WeirContext; /* one call of a hook */
typedef struct _WeirLoad WeirLoad;       /* one call of `load` */

/* GMime's types, for the few functions that hand out the parsed message; include <gmime/gmime.h> to
 * look into them. */
struct _GMimeMessage;
struct _GMimeObject;

/* ---- Verdicts ---- */

typedef enum
{
  WEIR_PASS,  /* no objection */
  WEIR_SKIP,  /* pass, and do not call me again for this message (before MAIL: for this session) */
  WEIR_REPLY, /* answer with the reply that weir_reply() has set. 4xx and 5xx refuse and end the
                 chain; 2xx is only text: the rest of the chain and the destination are still asked,
                 and it is used if all of them accepted (RFC 5321 section 4.2) */
  WEIR_CLOSE, /* the reply of weir_close(), then hang up; with 2xx once the operation is complete */
  WEIR_DISCARD,   /* from MAIL on: answer 250, relay nothing; covers the whole transaction */
  WEIR_QUARANTINE /* from MAIL on: the gateway keeps the message aside, then answers 250 or 550 as
                     configured */
} WeirVerdict;

/* Sets the reply and returns WEIR_REPLY, so that a hook can say `return weir_reply (…)`. `code` is
 * 200 to 599, `enhanced` is "x.y.z" of the same class or NULL (RFC 3463). The text may hold several
 * lines, separated by '\n'; control characters in it become spaces. */
WEIR_API WeirVerdict weir_reply (WeirContext *context, guint code, const char *enhanced,
                                 const char *format, ...) G_GNUC_PRINTF (4, 5);
/* The same and returns WEIR_CLOSE. 4xx and 5xx refuse, and the session ends with that answer. 2xx
 * does not refuse: the session goes on to the end of the current operation (the command; from
 * `data` on the message), hears its answer, whatever that is, and ends. */
WEIR_API WeirVerdict weir_close (WeirContext *context, guint code, const char *enhanced,
                                 const char *format, ...) G_GNUC_PRINTF (4, 5);
/* At `rcpt`, of a filter that treats some recipients' messages unlike others': this recipient's
 * would be treated unlike that of those before it, so it can not share their transaction. Returns
 * WEIR_REPLY with 452 4.5.3 (RFC 5321 section 4.5.3.1.10): the client comes again with it in a
 * transaction of its own. Compare with weir_recipient (context, 0); the first recipient is never
 * split off: there, and in other hooks, the filter fails. */
WEIR_API WeirVerdict weir_split (WeirContext *context);
/* Adds a line to the reply that was set. */
WEIR_API void weir_reply_add_line (WeirContext *context, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
/* Sets the reason that is kept with the message and logged, and returns WEIR_QUARANTINE. */
WEIR_API WeirVerdict weir_quarantine (WeirContext *context, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* The filter can not do its work (its scanner is down, an answer makes no sense): the host drops
 * the filter's edits and notes, does what `on-failure` says, and logs the reason, the first one if
 * there are several. Whatever the hook returns then, it has failed; returns WEIR_PASS, so that a
 * hook can say `return weir_fail (…)`. Not for what is wrong with the message: refuse that. */
WEIR_API WeirVerdict weir_fail (WeirContext *context, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* ---- Options ---- */

typedef enum
{
  WEIR_OPTION_STRING,      /* const char *       (NULL when neither given nor defaulted) */
  WEIR_OPTION_STRING_LIST, /* const char *const * (NULL-terminated, never NULL; the default is
                              written "a, b") */
  WEIR_OPTION_INTEGER,     /* gint64 */
  WEIR_OPTION_SIZE,        /* guint64, octets ("25M") */
  WEIR_OPTION_DURATION,    /* gint64, milliseconds ("30s") */
  WEIR_OPTION_BOOLEAN,     /* gboolean */
  WEIR_OPTION_CHOICE       /* gint, index into `choices` */
} WeirOptionType;

typedef struct
{
  const char *name; /* as in the configuration: "deny-types"; NULL ends the table */
  WeirOptionType type;
  gsize offset;         /* of the member in the configuration block: G_STRUCT_OFFSET() */
  const char *fallback; /* the default in the configuration's own syntax without quotes; NULL: 0,
                           FALSE, NULL, the first choice */
  const char *help;     /* one sentence */
  gboolean required;    /* missing is an error with file and line */
  const char *const *choices; /* WEIR_OPTION_CHOICE: NULL-terminated */
  gint64 minimum, maximum;    /* INTEGER, SIZE, DURATION; both 0: any */
} WeirOption;

/* ---- Edits, declared up front: an edit of an undeclared kind is refused and counts as a crash of
 * the filter ---- */

typedef enum
{
  WEIR_EDIT_SENDER = 1 << 0,
  WEIR_EDIT_RECIPIENTS = 1 << 1,
  WEIR_EDIT_HEADERS = 1 << 2,
  WEIR_EDIT_PARTS = 1 << 3,
  WEIR_EDIT_BODY = 1 << 4,
  WEIR_EDIT_MESSAGE = 1 << 5
} WeirEdits;

/* ---- Commands that a filter adds ---- */

typedef enum
{
  WEIR_STATE_BEFORE_HELO = 1 << 0,
  WEIR_STATE_GREETED = 1 << 1,    /* after HELO or EHLO, outside a transaction */
  WEIR_STATE_TRANSACTION = 1 << 2 /* after MAIL */
} WeirStates;

typedef struct
{
  const char *
      verb; /* "XSTATUS", letters, digits and '-'; none of the gateway's own; NULL ends the table */
  guint states;      /* of WeirStates: elsewhere 503 5.5.1 */
  gboolean announce; /* a line of EHLO's reply */
  WeirVerdict (*run) (WeirContext *context, const char *argument);
} WeirCommand;

/* ---- The module ---- */

/* All hooks are optional, and the hooks present are the subscription: one that nobody has costs
 * nothing. `config` is the configuration block of `config_size` bytes, filled from `options`.
 *
 * When each is called, what its argument is, and what a refusal covers:
 *
 * - connect: before the greeting, whose text is that of 220; 554 refuses the session.
 * - helo, ehlo: the domain as given; a refusal covers the command. At ehlo the first line of a 250
 *   is the greeting, and further ones stand behind the keywords that the gateway offers.
 * - mail: the sender without brackets, "" is the null sender; a refusal covers the sender.
 * - rcpt: the recipient without brackets; a refusal covers this one recipient.
 * - data: before 354; a refusal covers the message, and the client hears it at once. 354 sets the
 *   text of that reply, 2xx the text of the answer to the message.
 * - header: each field in order; `value` unfolded and stripped (weir_header_raw() has it raw).
 * - end_of_headers: at the blank line, or at a line that is no header.
 * - body: the body in chunks of at most `body_chunk` octets (1,024 when 0), line breaks as sent; or
 *   line by line, see WEIR_BODY_LINES and weir_set_body_chunk().
 * - end_of_message: everything is there, parsed on demand; a refusal is heard after the final dot.
 * - rset, noop, vrfy, expn, help, quit: the argument, if there can be one.
 * - unknown: the whole line.
 * - message_over: once a transaction, after the client's answer or an abort (code 0, ""): no
 *   verdict, no edit.
 * - session_over: once a session: no verdict, no edit.
 *
 * A filter without `body` and `end_of_message` does not make the gateway store the message. */
typedef struct
{
  guint abi;        /* WEIR_FILTER_ABI */
  gsize size;       /* sizeof (WeirFilter) */
  const char *name; /* the module's, as in `module = "…"` */
  const char *summary;
  guint edits; /* of WeirEdits */
  gsize config_size;
  gsize state_size; /* at most WEIR_MAX_STATE */
  gsize body_chunk;
  const WeirOption *options;   /* NULL: none */
  const WeirCommand *commands; /* NULL: none */

  /* Once in the generation, before workers are forked: may leave read-only data in `config`, but no
   * descriptor, thread or connection. FALSE with `error` (weir_load_error() names the option's
   * place) keeps the configuration from loading. */
  gboolean (*load) (WeirLoad *load, gpointer config, GError **error);
  gboolean (*start) (gpointer config, GError **error); /* in each worker, before its first call */
  void (*stop) (gpointer config);                      /* in each worker, after its last */

  WeirVerdict (*connect) (WeirContext *context);
  WeirVerdict (*helo) (WeirContext *context, const char *domain);
  WeirVerdict (*ehlo) (WeirContext *context, const char *domain);
  WeirVerdict (*mail) (WeirContext *context, const char *sender);
  WeirVerdict (*rcpt) (WeirContext *context, const char *recipient);
  WeirVerdict (*data) (WeirContext *context);
  WeirVerdict (*header) (WeirContext *context, const char *name, const char *value);
  WeirVerdict (*end_of_headers) (WeirContext *context);
  WeirVerdict (*body) (WeirContext *context, const guint8 *chunk, gsize length);
  WeirVerdict (*end_of_message) (WeirContext *context);
  WeirVerdict (*rset) (WeirContext *context);
  WeirVerdict (*noop) (WeirContext *context, const char *argument);
  WeirVerdict (*vrfy) (WeirContext *context, const char *argument);
  WeirVerdict (*expn) (WeirContext *context, const char *argument);
  WeirVerdict (*help) (WeirContext *context, const char *argument);
  WeirVerdict (*quit) (WeirContext *context);
  WeirVerdict (*unknown) (WeirContext *context, const char *line);
  void (*message_over) (WeirContext *context, guint code, const char *text);
  void (*session_over) (WeirContext *context);
} WeirFilter;

#define WEIR_FILTER_HEADER .abi = WEIR_FILTER_ABI, .size = sizeof (WeirFilter)
#define WEIR_MAX_STATE 4096
/* As `body_chunk`: each line with its CRLF; of a line over WEIR_MAX_BODY_LINE octets, pieces. */
#define WEIR_BODY_LINES G_MAXSIZE
#define WEIR_MAX_BODY_LINE 65536

/* ---- Loading ---- */

typedef enum
{
  WEIR_HOOK_CONNECT = 1 << 0,
  WEIR_HOOK_HELO = 1 << 1,
  WEIR_HOOK_EHLO = 1 << 2,
  WEIR_HOOK_MAIL = 1 << 3,
  WEIR_HOOK_RCPT = 1 << 4,
  WEIR_HOOK_DATA = 1 << 5,
  WEIR_HOOK_HEADER = 1 << 6,
  WEIR_HOOK_END_OF_HEADERS = 1 << 7,
  WEIR_HOOK_BODY = 1 << 8,
  WEIR_HOOK_END_OF_MESSAGE = 1 << 9,
  WEIR_HOOK_RSET = 1 << 10,
  WEIR_HOOK_NOOP = 1 << 11,
  WEIR_HOOK_VRFY = 1 << 12,
  WEIR_HOOK_EXPN = 1 << 13,
  WEIR_HOOK_HELP = 1 << 14,
  WEIR_HOOK_QUIT = 1 << 15,
  WEIR_HOOK_UNKNOWN = 1 << 16,
  WEIR_HOOK_MESSAGE_OVER = 1 << 17,
  WEIR_HOOK_SESSION_OVER = 1 << 18
} WeirHooks;

/* An error that names the option's file, line and column. `option` may be NULL: the filter's block.
 * Called again with the same `error`, it reports one more. */
WEIR_API void weir_load_error (WeirLoad *load, GError **error, const char *option,
                               const char *format, ...) G_GNUC_PRINTF (4, 5);
/* The filter's name in the configuration. */
WEIR_API const char *weir_load_name (WeirLoad *load);

/* To be called in `load` by a module whose configuration decides what it needs: of the module's
 * hooks only these (of WeirHooks) are called for this filter, and the others cost nothing. Calls
 * add up to fewer and fewer hooks. `start`, `stop` and commands are not among them. */
WEIR_API void weir_load_hooks (WeirLoad *load, guint hooks);

/* To be called in `load` by a module whose configuration decides which commands it adds, beside
 * those of its table. `command` is copied. FALSE: the verb can not be added, `error` says why. */
WEIR_API gboolean weir_load_command (WeirLoad *load, const WeirCommand *command, GError **error);

/* ---- Questions. All answers are of the call ---- */

WEIR_API gconstpointer weir_config (WeirContext *context);
/* The session's block of `state_size` bytes, zeroed at connect, private to this filter; plain
 * bytes, no pointers. */
WEIR_API gpointer weir_state (WeirContext *context);
/* One descriptor that travels with the state; -1: none. Setting gives it to the host, which closes
 * the one before; -1 closes. */
WEIR_API int weir_state_descriptor (WeirContext *context);
WEIR_API void weir_set_state_descriptor (WeirContext *context, int descriptor);

/* Milliseconds until the host gives this filter up: what is left of its `timeout` or of the
 * message's deadline, whichever is less; 0: nothing. Who waits for somebody else gives up a little
 * earlier, and says why by weir_fail(). */
WEIR_API gint64 weir_time_left (WeirContext *context);
WEIR_API const char *weir_filter_name (WeirContext *context); /* in the configuration */
WEIR_API const char *weir_listener (WeirContext *context);
WEIR_API const char *weir_hostname (WeirContext *context); /* ours */
WEIR_API const char *weir_session_id (WeirContext *context);
WEIR_API const char *weir_message_id (WeirContext *context); /* as in the log; NULL before MAIL */
WEIR_API const char *
weir_client_address (WeirContext *context); /* "192.0.2.1", "2001:db8::1", "local" */
WEIR_API guint weir_client_port (WeirContext *context);
WEIR_API const char *
weir_client_name (WeirContext *context);               /* by PTR, confirmed forward; "unknown" */
WEIR_API const char *weir_helo (WeirContext *context); /* NULL before it */
/* In a command of the filter's: its verb, in upper case; else NULL. */
WEIR_API const char *weir_verb (WeirContext *context);
/* In `message_over`: what became of the message, in the words of the log's `status` ("sent",
 * "partial", "deferred", "rejected", "bounced", "discarded", "quarantined", "aborted",
 * "client-gone"); else NULL. */
WEIR_API const char *weir_status (WeirContext *context);
WEIR_API const char *weir_user (WeirContext *context); /* authenticated; NULL */
WEIR_API const char *
weir_user_mechanism (WeirContext *context); /* by which ("PLAIN", RFC 4954); NULL */
WEIR_API const char *weir_tls_protocol (WeirContext *context); /* "TLSv1.3"; NULL: plaintext */
WEIR_API const char *weir_tls_cipher (WeirContext *context);   /* NULL: plaintext */

/* The envelope as the chain has it now. Parameters are "KEYWORD=value" strings, NULL-terminated. */
WEIR_API const char *weir_sender (WeirContext *context); /* NULL before MAIL */
WEIR_API const char *const *weir_sender_parameters (WeirContext *context);
WEIR_API guint weir_recipient_count (
    WeirContext *context); /* accepted so far, and at `rcpt` the one in question as the last */
WEIR_API const char *weir_recipient (WeirContext *context, guint index);
WEIR_API const char *const *weir_recipient_parameters (WeirContext *context, guint index);

/* Notes: shared along the chain for the rest of the transaction (set before MAIL: of the session);
 * they end up in the log line. */
WEIR_API const char *weir_note (WeirContext *context, const char *name); /* NULL */
WEIR_API void weir_set_note (WeirContext *context, const char *name, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* For the pieces of the body to come in this message, instead of the module's `body_chunk`: octets,
 * 0 for 1,024, or WEIR_BODY_LINES. In `header`, `end_of_headers` and `body`; the last call counts.
 */
WEIR_API void weir_set_body_chunk (WeirContext *context, gsize octets);

/* The message as earlier filters left it. Headers from `header` on: the list has this filter's own
 * header edits in it already, and every index refers to the list as it stands at the call. Size,
 * bytes and MIME in `body` and `end_of_message`, and without this filter's own edits. Elsewhere
 * there are no headers, the size is 0, reading yields -1 and MIME is NULL. */
#define WEIR_NO_HEADER G_MAXUINT
WEIR_API guint weir_header_count (WeirContext *context);
/* In `header`: the index of the field at hand, wherever this filter's edits have moved it; else,
 * and once it is removed, WEIR_NO_HEADER. */
WEIR_API guint weir_header_index (WeirContext *context);
WEIR_API const char *weir_header_name (WeirContext *context, guint index);
WEIR_API const char *weir_header_value (WeirContext *context,
                                        guint index); /* unfolded, stripped, not decoded */
WEIR_API const char *weir_header_raw (WeirContext *context,
                                      guint index); /* with its leading space and folds */
WEIR_API guint weir_header_find (WeirContext *context, const char *name,
                                 guint nth); /* nth from 0; WEIR_NO_HEADER */
WEIR_API guint64 weir_message_size (WeirContext *context);
WEIR_API gssize weir_message_read (WeirContext *context, guint64 offset, gpointer buffer,
                                   gsize length);
/* Those same bytes where they stand, all `*length` of them. NULL: they can not be had. */
WEIR_API const guint8 *weir_message_bytes (WeirContext *context, gsize *length);
/* The filter reads them in order and has come to `offset`: what lies behind it may leave memory,
 * and comes back if somebody reads it again. Costs next to nothing; to be called now and then by
 * whoever walks through all of a message, so that many big ones at once do not fill the memory. */
WEIR_API void weir_message_passed (WeirContext *context, gsize offset);
/* A descriptor of those same bytes, from offset 0, to be passed to another program: read-only or
 * sealed against writing, closed on exec. The filter closes it. -1 with errno: there is none. */
WEIR_API int weir_message_descriptor (WeirContext *context);
/* NULL: it can not be parsed as MIME (no header at all), or it was passed unread because it is over
 * the limits. Never change it: use the edits below. */
WEIR_API struct _GMimeMessage *weir_message_mime (WeirContext *context);

/* The entities that the message consists of, for who looks at all of them: weir_message_mime()'s
 * tree in the order in which its objects begin, the root first, without what has to be parsed for
 * it. It costs a fraction where a message leaves its readers no choice, and is the same tree in any
 * case. 0: weir_message_mime() would be NULL. */
#define WEIR_NO_ENTITY G_MAXUINT

typedef enum
{
  WEIR_ENTITY_LEAF,
  WEIR_ENTITY_MULTIPART,
  WEIR_ENTITY_MESSAGE /* around another message, whose root is the next entity if there is one */
} WeirEntityKind;

typedef struct
{
  WeirEntityKind kind;
  guint parent; /* the multipart or the message around it; WEIR_NO_ENTITY: the root has none */
  guint
      n_fields; /* of its Content-* fields: those that have a meaning in it (RFC 2045 section 9) */
  gboolean has_body; /* a leaf's */
  gsize start, end;  /* of it, among weir_message_bytes(), still encoded */
} WeirEntity;

/* Neither string ends with a NUL. Of the call. */
typedef struct
{
  const char *name;
  gsize name_length;
  const char *value; /* all behind the colon, with leading space, folds and line end */
  gsize length;
} WeirEntityField;

WEIR_API guint weir_entity_count (WeirContext *context);
/* `index` below the count. */
WEIR_API WeirEntity weir_entity (WeirContext *context, guint index);
/* `nth` below the entity's `n_fields`. */
WEIR_API WeirEntityField weir_entity_field (WeirContext *context, guint index, guint nth);
/* The same entity in weir_message_mime()'s tree, to be edited. This parses. NULL: there is none. */
WEIR_API struct _GMimeObject *weir_entity_object (WeirContext *context, guint index);

/* The decoded content of a leaf of weir_message_mime()'s tree, as a lenient mail program reads it:
 * base64 goes on behind padding, where GMime's own decoder stops. NULL: the part is no leaf, or has
 * no content. */
WEIR_API GBytes *weir_part_content (WeirContext *context, struct _GMimeObject *part);
/* A header value or parameter with its encoded-words (RFC 2047) decoded one at a time, in UTF-8;
 * bytes that are no UTF-8 become U+FFFD. Where GMime drops an encoded-word that follows a padded
 * one, this does not. Caller frees with g_free(). */
WEIR_API char *weir_decode_words (const char *value);

/* ---- Edits. Each refers to the message as this filter sees it and is seen by later filters. FALSE
 * sets `error`, changes nothing. Text may have LF or CRLF line ends. A verdict that refuses drops
 * the filter's edits. When: the envelope from `data` to `end_of_message`; headers from `header` to
 * `end_of_message`; parts, body and message in `end_of_message`. Sooner or later is an error. An
 * edit of a kind that was not declared fails, and so does the filter. Two edits of one thing
 * compose: the second change of a field wins, removing wins over changing, a part replaced twice
 * has the second replacement, replacing or removing a multipart drops edits inside of it. Replacing
 * the body drops edits of parts; replacing the message drops all before it, and later header edits
 * refer to the new one; parts can not be edited any more after either. ---- */

WEIR_API gboolean weir_set_sender (WeirContext *context, const char *address,
                                   const char *const *parameters, GError **error);
WEIR_API gboolean weir_add_recipient (WeirContext *context, const char *address,
                                      const char *const *parameters, GError **error);
/* Every recipient with this address, upper and lower case being one; FALSE when there is none, or
 * no other would be left: discard then. */
WEIR_API gboolean weir_remove_recipient (WeirContext *context, const char *address, GError **error);

/* Values are given unfolded or folded; a space is put behind the colon unless the value starts with
 * white space. `value` must not hold a line break that no white space follows. */
WEIR_API gboolean weir_header_prepend (WeirContext *context, const char *name, const char *value,
                                       GError **error);
WEIR_API gboolean weir_header_append (WeirContext *context, const char *name, const char *value,
                                      GError **error);
WEIR_API gboolean weir_header_insert (WeirContext *context, guint index, const char *name,
                                      const char *value, GError **error);
WEIR_API gboolean weir_header_change (WeirContext *context, guint index, const char *value,
                                      GError **error);
/* The same with all that shall stand behind the colon: no space is put there. */
WEIR_API gboolean weir_header_insert_raw (WeirContext *context, guint index, const char *name,
                                          const char *raw, GError **error);
WEIR_API gboolean weir_header_change_raw (WeirContext *context, guint index, const char *raw,
                                          GError **error);
WEIR_API gboolean weir_header_remove (WeirContext *context, guint index, GError **error);

/* Parts, named by objects of weir_message_mime()'s tree, which stays as it was parsed. A
 * replacement is a whole entity: its own Content-* fields, a blank line, its body, already encoded;
 * weir_part_text() makes one. `length` -1: up to the NUL. Replacing a message's only part (the root
 * of the tree, or of a message inside) replaces its Content-* fields and its body. Removing the
 * last part that is left in a multipart, or a root, leaves an empty text/plain part in its place.
 * `position` counts the parts as they were parsed; behind the end appends. */
WEIR_API gboolean weir_part_replace (WeirContext *context, struct _GMimeObject *part,
                                     const char *entity, gssize length, GError **error);
WEIR_API gboolean weir_part_remove (WeirContext *context, struct _GMimeObject *part,
                                    GError **error);
WEIR_API gboolean weir_part_insert (WeirContext *context, struct _GMimeObject *multipart,
                                    guint position, const char *entity, gssize length,
                                    GError **error);
/* A text/plain entity in UTF-8, quoted-printable where it must be; caller frees with g_free(). */
WEIR_API char *weir_part_text (const char *text);
WEIR_API gboolean weir_body_replace (WeirContext *context, const char *body, gssize length,
                                     GError **error);
/* Strings of weir_header_name(), _value() and _raw() that were asked for before are gone after
 * this. */
WEIR_API gboolean weir_message_replace (WeirContext *context, const char *message, gssize length,
                                        GError **error);

/* ---- Logging: a line with the session's and the filter's name. Never put a message's content into
 * it. ---- */
WEIR_API void weir_log (WeirContext *context, const char *format, ...) G_GNUC_PRINTF (2, 3);

G_END_DECLS
