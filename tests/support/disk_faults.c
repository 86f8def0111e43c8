/* Preloaded into the service: what a disk may do to its files, at one call of one file.
 *
 * FAULT_FILE    the name of the file, such as log.db-wal
 * FAULT_CALL    write, sync or truncate
 * FAULT_WHEN    before, after: kill this process before or after the call;
 *               fail: the call returns EIO and nothing else happens
 * FAULT_COUNT   at which call (default 1); with fail, from that call on
 * FAULT_WHILE   only while a file with this path exists (default: always)
 * FAULT_NAME    what the process says on stderr: `died at NAME` as its last words, or
 *               `failed at NAME`
 * FAULT_DURABLE a folder: its files get what was synced, when it was synced, and nothing else.
 *               Where a sync fails, what it should have made durable is lost for good, as on a
 *               kernel that marks the pages of a failed write as clean.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 1024
#define NAME_MAX_BYTES 256

enum call { WRITE, SYNC, TRUNCATE };
enum fate { GO_ON, DIE_AFTER, FAIL };

/* A write, or where `bytes` is NULL a truncation to `at`. */
struct change {
    struct change *next;
    off64_t at;
    size_t size;
    char *bytes;
};

struct file {
    char name[NAME_MAX_BYTES];
    struct change *first, *last;
};

static const char *const CALLS[] = {"write", "sync", "truncate"};
static struct file files[FILES_MAX];
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static atomic_long calls;

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_sync)(int);
static int (*real_truncate)(int, off64_t);

__attribute__((constructor)) static void find_real(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_sync = dlsym(RTLD_NEXT, "fdatasync");
    real_truncate = dlsym(RTLD_NEXT, "ftruncate64");
}

static const char *name_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0) return "";
    path[length] = 0;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void say(const char *what) {
    const char *name = getenv("FAULT_NAME");
    char words[512];
    int size = snprintf(words, sizeof words, "%s at %s\n", what, name ? name : "a fault");
    if (write(2, words, size) != size) abort();
}

static void die(void) {
    say("died");
    kill(getpid(), SIGKILL);
    abort();
}

static enum fate fate_of(const char *name, enum call call) {
    const char *file = getenv("FAULT_FILE"), *kind = getenv("FAULT_CALL");
    const char *when = getenv("FAULT_WHEN"), *count = getenv("FAULT_COUNT");
    const char *condition = getenv("FAULT_WHILE");
    if (!file || !kind || !when || strcmp(file, name) || strcmp(kind, CALLS[call])) return GO_ON;
    if (condition && access(condition, F_OK)) return GO_ON;
    long number = ++calls, wanted = count ? atol(count) : 1;
    if (!strcmp(when, "fail")) {
        if (number < wanted) return GO_ON;
        say("failed");
        return FAIL;
    }
    if (number != wanted) return GO_ON;
    if (!strcmp(when, "before")) die();
    return DIE_AFTER;
}

static struct file *file_named(const char *name) {
    for (int i = 0; i < FILES_MAX; i++) {
        if (!files[i].name[0]) snprintf(files[i].name, NAME_MAX_BYTES, "%s", name);
        if (!strcmp(files[i].name, name)) return &files[i];
    }
    say("no room for one more file");
    abort();
}

/* SQLite's own temporary files have no name any more, so no disk could show them again. */
static int is_temporary(const char *name) { return !strncmp(name, "etilqs_", 7); }

static void remember(const char *name, const void *bytes, size_t size, off64_t at) {
    if (!getenv("FAULT_DURABLE") || is_temporary(name)) return;
    struct change *change = calloc(1, sizeof *change);
    change->at = at;
    change->size = size;
    if (bytes) {
        change->bytes = malloc(size);
        memcpy(change->bytes, bytes, size);
    }
    pthread_mutex_lock(&guard);
    struct file *file = file_named(name);
    if (file->last) file->last->next = change;
    else file->first = change;
    file->last = change;
    pthread_mutex_unlock(&guard);
}

/* The changes since the last sync reach the durable copy, or are lost. */
static void settle(const char *name, int durable) {
    const char *folder = getenv("FAULT_DURABLE");
    if (!folder || is_temporary(name)) return;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    pthread_mutex_lock(&guard);
    struct file *file = file_named(name);
    int copy = file->first && durable ? open(path, O_WRONLY | O_CREAT, 0600) : -1;
    while (file->first) {
        struct change *change = file->first;
        if (copy >= 0 && change->bytes) {
            if (real_pwrite(copy, change->bytes, change->size, change->at) < 0) abort();
        } else if (copy >= 0 && real_truncate(copy, change->at)) {
            abort();
        }
        file->first = change->next;
        free(change->bytes);
        free(change);
    }
    file->last = NULL;
    if (copy >= 0) close(copy);
    pthread_mutex_unlock(&guard);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    char path[4096];
    const char *name = name_of(fd, path, sizeof path);
    enum fate fate = fate_of(name, WRITE);
    if (fate == FAIL) {
        errno = EIO;
        return -1;
    }
    ssize_t written = real_pwrite(fd, bytes, size, at);
    if (written > 0) remember(name, bytes, (size_t)written, at);
    if (fate == DIE_AFTER) die();
    return written;
}

int ftruncate64(int fd, off64_t size) {
    char path[4096];
    const char *name = name_of(fd, path, sizeof path);
    enum fate fate = fate_of(name, TRUNCATE);
    if (fate == FAIL) {
        errno = EIO;
        return -1;
    }
    int failed = real_truncate(fd, size);
    if (!failed) remember(name, NULL, 0, size);
    if (fate == DIE_AFTER) die();
    return failed;
}

int fdatasync(int fd) {
    char path[4096];
    const char *name = name_of(fd, path, sizeof path);
    enum fate fate = fate_of(name, SYNC);
    if (fate == FAIL) {
        settle(name, 0);
        errno = EIO;
        return -1;
    }
    int failed = real_sync(fd);
    settle(name, !failed);
    if (fate == DIE_AFTER) die();
    return failed;
}

int fsync(int fd) { return fdatasync(fd); }
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
    return pwrite64(fd, bytes, size, at);
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
