"""What a person sees in a browser: the rates, a currency, a request on its way, the state of the service.

Every page reads without JavaScript; static/pages/page.js only takes parts of the same pages over in place.
"""
