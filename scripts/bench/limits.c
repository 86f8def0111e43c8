/* L1: the rows of a log once more, by a prepared INSERT, `batch` to a durable transaction.
 * limits SOURCE TARGET BATCH PRAGMAS SCHEMA BATCH_OVERHEAD CHECKPOINT_BYTES -> one JSON object */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { COLUMNS = 7, BODY = 5 };
typedef struct { sqlite3_value *column[COLUMNS]; } Row;

static sqlite3 *open_db(const char *path, int flags) {
    sqlite3 *db;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", path, sqlite3_errmsg(db));
        exit(2);
    }
    return db;
}

static void run(sqlite3 *db, const char *sql) {
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, error);
        exit(2);
    }
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
        exit(2);
    }
    return statement;
}

static size_t read_rows(const char *path, Row **rows) {
    sqlite3 *db = open_db(path, SQLITE_OPEN_READONLY);
    sqlite3_stmt *select = prepare(db,
        "SELECT position, stream, previous, name, id, body, node FROM commits ORDER BY position");
    size_t count = 0, room = 1024;
    *rows = malloc(room * sizeof(Row));
    while (sqlite3_step(select) == SQLITE_ROW) {
        if (count == room) *rows = realloc(*rows, (room *= 2) * sizeof(Row));
        for (int i = 0; i < COLUMNS; i++)
            (*rows)[count].column[i] = sqlite3_value_dup(sqlite3_column_value(select, i));
        count++;
    }
    sqlite3_finalize(select);
    sqlite3_close(db);
    return count;
}

static double cpu_seconds(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_utime.tv_sec + use.ru_stime.tv_sec
        + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static double wall_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void insert(sqlite3 *db, const Row *rows, size_t count, size_t batch,
                   long long overhead, long long checkpoint) {
    sqlite3_stmt *statement = prepare(db, "INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?)");
    long long unchecked = 0;
    for (size_t at = 0; at < count;) {
        run(db, "BEGIN IMMEDIATE");
        for (size_t end = at + batch; at < end && at < count; at++) {
            for (int i = 0; i < COLUMNS; i++)
                sqlite3_bind_value(statement, i + 1, rows[at].column[i]);
            if (sqlite3_step(statement) != SQLITE_DONE) {
                fprintf(stderr, "insert: %s\n", sqlite3_errmsg(db));
                exit(2);
            }
            sqlite3_reset(statement);
            unchecked += 2LL * sqlite3_value_bytes(rows[at].column[BODY]);
        }
        run(db, "COMMIT");
        if ((unchecked += overhead) > checkpoint) {
            run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
            unchecked = 0;
        }
    }
    sqlite3_finalize(statement);
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "SOURCE TARGET BATCH PRAGMAS SCHEMA BATCH_OVERHEAD CHECKPOINT_BYTES\n");
        return 2;
    }
    Row *rows;
    size_t count = read_rows(argv[1], &rows);
    sqlite3 *db = open_db(argv[2], SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    run(db, argv[4]);
    run(db, argv[5]);
    double cpu = cpu_seconds(), wall = wall_seconds();
    insert(db, rows, count, strtoul(argv[3], NULL, 10), atoll(argv[6]), atoll(argv[7]));
    printf("{\"rows\": %zu, \"seconds\": %.6f, \"cpu_s\": %.6f}\n",
           count, wall_seconds() - wall, cpu_seconds() - cpu);
    sqlite3_close(db);
    return 0;
}
