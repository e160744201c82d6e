// The admin's security policy allows no inline styles; htmx would write one for its indicators.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
