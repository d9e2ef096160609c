/* A message and its envelope. Content goes through the spool; whoever wants all of it as bytes gets
 * the spool's memory, or a mapping of its file. Fails as the file system fails. */
#include "blocking/mail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/address.h"
#include "smtp/parameters.h"

#define DEFAULT_MEMORY (1024 * 1024)

WeirMail *
blocking_mail_new (const BasePath *sender, gsize memory, const gchar *directory)
{
  WeirMail *mail = g_new0 (WeirMail, 1);
  MessageSpoolLimits limits = { .memory = memory };

  mail->references = 1;
  mail->sender = base_path_copy (sender);
  mail->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  mail->directory = g_strdup (directory != NULL ? directory : g_get_tmp_dir ());
  limits.directory = mail->directory;
  mail->spool = message_spool_new (&limits);
  return mail;
}

void
blocking_mail_add (WeirMail *mail, const BasePath *recipient)
{
  g_ptr_array_add (mail->recipients, base_path_copy (recipient));
}

static gboolean
check_parameters (const char *const *parameters, GError **error)
{
  for (guint i = 0; parameters != NULL && parameters[i] != NULL; i++)
    {
      gchar **parsed = NULL;
      BaseReply *refusal = NULL;
      gboolean good
          = strchr (parameters[i], ' ') == NULL && *parameters[i] != '\0'
            && smtp_parameters_parse (parameters[i], strlen (parameters[i]), &parsed, &refusal);

      g_strfreev (parsed);
      base_reply_free (refusal);
      if (good && i < SMTP_PARAMETERS_MAX)
        continue;
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_URL, "%.100s: not an ESMTP parameter",
                   parameters[i]);
      return FALSE;
    }
  return TRUE;
}

/* NULL: no address, or a parameter that is none. */
static BasePath *
make_path (const char *address, const char *const *parameters, BasePathFlags flags, GError **error)
{
  g_autofree gchar *bracketed = g_strdup_printf ("<%s>", address);
  gsize used = 0;
  g_autoptr (GError) reason = NULL;
  g_autofree gchar *parsed
      = base_path_parse (bracketed, strlen (bracketed), flags | BASE_PATH_UTF8, &used, &reason);

  if (parsed == NULL || bracketed[used] != '\0')
    {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_URL, "%.100s: not an address", address);
      return NULL;
    }
  return check_parameters (parameters, error) ? base_path_new (parsed, parameters) : NULL;
}

WeirMail *
weir_mail_new (const char *sender, const char *const *parameters, GError **error)
{
  g_autoptr (BasePath) path = make_path (sender, parameters, BASE_PATH_NULL, error);

  return path == NULL ? NULL : blocking_mail_new (path, DEFAULT_MEMORY, NULL);
}

WeirMail *
weir_mail_ref (WeirMail *mail)
{
  g_atomic_int_inc (&mail->references);
  return mail;
}

static void
forget_bytes (WeirMail *mail)
{
  if (mail->mapped > 0)
    munmap (mail->bytes, mail->mapped);
  mail->bytes = NULL;
  mail->mapped = 0;
}

void
weir_mail_unref (WeirMail *mail)
{
  if (mail == NULL || !g_atomic_int_dec_and_test (&mail->references))
    return;
  forget_bytes (mail);
  message_spool_unref (mail->spool);
  base_path_free (mail->sender);
  g_ptr_array_unref (mail->recipients);
  g_free (mail->directory);
  g_free (mail);
}

gboolean
weir_mail_add_recipient (WeirMail *mail, const char *recipient, const char *const *parameters,
                         GError **error)
{
  BasePath *path = make_path (recipient, parameters, BASE_PATH_POSTMASTER, error);

  if (path != NULL)
    g_ptr_array_add (mail->recipients, path);
  return path != NULL;
}

gboolean
weir_mail_append (WeirMail *mail, const void *bytes, gsize length, GError **error)
{
  forget_bytes (mail);
  return message_spool_append (mail->spool, bytes, length, error);
}

const char *
weir_mail_sender (const WeirMail *mail)
{
  return mail->sender->address;
}

static const char *const *
parameters_of (const BasePath *path)
{
  static const char *const none[] = { NULL };

  return path->parameters == NULL ? none : (const char *const *) path->parameters;
}

const char *const *
weir_mail_sender_parameters (const WeirMail *mail)
{
  return parameters_of (mail->sender);
}

guint
weir_mail_recipient_count (const WeirMail *mail)
{
  return mail->recipients->len;
}

const char *
weir_mail_recipient (const WeirMail *mail, guint index)
{
  const BasePath *path;

  g_return_val_if_fail (index < mail->recipients->len, NULL);
  path = mail->recipients->pdata[index];
  return path->address;
}

const char *const *
weir_mail_recipient_parameters (const WeirMail *mail, guint index)
{
  g_return_val_if_fail (index < mail->recipients->len, NULL);
  return parameters_of (mail->recipients->pdata[index]);
}

guint64
weir_mail_size (const WeirMail *mail)
{
  return message_spool_size (mail->spool);
}

static gboolean
file_error (const gchar *what, GError **error)
{
  gint code = errno;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (code), "%s: %s", what,
               g_strerror (code));
  return FALSE;
}

static gboolean
map_content (WeirMail *mail, GError **error)
{
  gsize size = (gsize) message_spool_size (mail->spool);
  int fd = message_spool_reopen (mail->spool, error);
  void *mapping;

  if (fd < 0)
    return FALSE;
  mapping = mmap (NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  close (fd);
  if (mapping == MAP_FAILED)
    return file_error ("cannot map the message", error);
  mail->bytes = (guint8 *) mapping;
  mail->mapped = size;
  return TRUE;
}

const guint8 *
weir_mail_bytes (WeirMail *mail, gsize *length, GError **error)
{
  *length = (gsize) message_spool_size (mail->spool);
  if (mail->bytes == NULL)
    mail->bytes = (guint8 *) message_spool_inline (mail->spool);
  if (mail->bytes == NULL && !map_content (mail, error))
    return NULL;
  return mail->bytes;
}

/* A small message has no descriptor of its own: it gets one here. */
static int
open_copy (const guint8 *bytes, gsize length, GError **error)
{
  int fd = memfd_create ("mailweir-mail", MFD_CLOEXEC);
  gchar path[40];
  int result = -1;

  if (fd >= 0 && (length == 0 || pwrite (fd, bytes, length, 0) == (gssize) length))
    {
      g_snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
      result = open (path, O_RDONLY | O_CLOEXEC);
    }
  if (result < 0)
    file_error ("cannot open the message", error);
  if (fd >= 0)
    close (fd);
  return result;
}

int
weir_mail_open (WeirMail *mail, GError **error)
{
  const guint8 *bytes = message_spool_inline (mail->spool);

  if (bytes == NULL)
    return message_spool_reopen (mail->spool, error);
  return open_copy (bytes, (gsize) message_spool_size (mail->spool), error);
}
