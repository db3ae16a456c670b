// The form of a periodic task: shows in words what the chosen crontab means.
"use strict";
{
    const words = JSON.parse(document.getElementById("readable-crontabs").textContent);
    const help = document.querySelector(".field-crontab .help");
    const crontab = document.getElementById("id_crontab");
    const translation = document.querySelector(".field-crontab_translation");
    if (translation) {
        translation.hidden = true;
    }
    if (help && crontab) {
        const meaning = document.createElement("div");
        help.append(meaning);
        const update = () => {
            const text = words[crontab.value];
            meaning.textContent = text ? `Translation: ${text}` : "";
        };
        // Related objects that are chosen in a window of their own come by jQuery's events.
        django.jQuery(crontab).on("change", update);
        update();
    }
}
