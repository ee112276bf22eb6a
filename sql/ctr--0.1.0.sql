/* ctr--0.1.0.sql: the SQL face of ctr. Sections follow the documentation: type, options, aggregates, scoring, inside, out. */

\echo Use "CREATE EXTENSION ctr" to load this file. \quit

-- ------------------------------------------------------------------ type ctr_model (MODEL)

-- ------------------------------------------------------------------ options (MODEL)

-- ------------------------------------------------------------------ aggregates (LEAD)

-- ------------------------------------------------------------------ scoring (LEAD)

-- ------------------------------------------------------------------ looking inside (MODEL)

-- ------------------------------------------------------------------ in and out (MODEL: ctr_state_dict; LEAD: ctr_encode)

-- ------------------------------------------------------------------ build information (LEAD)
