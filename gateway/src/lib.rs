//! HTTP: routes, authentication, errors, query API, the web page, health and metrics.
