// Every word the page itself says, in English and Chinese, and which of the two is spoken now.

const ENGLISH = {
  title: "Nova Realtime",
  tagline: "Talk with an agent that hears, sees and answers",
  page_language: "Language of this page",
  skip: "Skip to the conversation",
  agent: "Agent",
  talk_in: "Language of the conversation",
  language_en: "English",
  language_zh: "Chinese (中文)",
  connect: "Connect",
  connecting_button: "Connecting…",
  cancel: "Cancel",
  disconnect: "End",
  mute: "Mute",
  unmute: "Unmute",
  camera: "Camera",
  screen: "Screen",
  interrupt: "Interrupt",
  interrupt_hint: "Interrupt (Esc)",
  controls: "Controls of the conversation",
  conversation: "Conversation",
  conversation_empty: "What you say and what the agent answers appears here, word by word.",
  type_here: "Type a message",
  send: "Send",
  level: "Microphone level",
  seen: "What the agent saw",
  seen_tokens: "{tokens} tokens",
  seen_newest: "newest",
  seen_scene_change: "new scene",
  seen_while_speaking: "while you spoke",
  seen_spread: "in between",
  seen_shown_before: "seen before",
  seen_looked: "looked",
  seen_alert: "alert",
  budget_slower: "looks less often, to save",
  budget_fewer: "sees fewer pictures, to save",
  budget_mosaic: "sees an overview only, to save",
  budget_none: "budget used up",
  preview_camera: "The agent sees your camera",
  preview_screen: "The agent sees your screen",
  user: "You",
  assistant: "Nova",
  interrupted: "interrupted",
  details: "Timing",
  close: "Close",
  setup: "Start a conversation",
  privacy: "Your microphone is used only while you are connected.",

  status_idle: "Ready when you are",
  status_connecting: "Connecting…",
  status_waiting: "Reconnecting…",
  status_microphone: "Allow the microphone to begin",
  status_listening: "Listening",
  status_hearing: "Hearing you",
  status_thinking: "Thinking",
  status_speaking: "Speaking",
  status_muted: "Muted",
  status_text_only: "Type to talk",

  action_retry: "Try again",
  action_reconnect: "Reconnect now",
  action_take_back: "Use it here",
  action_start_again: "Start again",
  action_sound: "Turn the sound on",

  insecure_context: "This address is not secure|Browsers give sound and microphone only to https pages and to localhost. Open this page through https, or at http://localhost.",
  unsupported: "This browser is too old|It cannot process sound the way this page needs. Use a current Chrome, Edge, Firefox or Safari.",
  microphone_missing: "No microphone found|Plug in or switch on a microphone, then try again. Until then you can type.",
  microphone_denied: "The microphone is not allowed|Allow it for this page in the browser's address bar, and in the system's privacy settings, then try again. Until then you can type.",
  microphone_busy: "The microphone does not start|Another program may be using it. Close that program, then try again. Until then you can type.",
  microphone_lost: "The microphone was disconnected|Plug it in again or choose another one in the system settings, then try again. Until then you can type.",
  camera_missing: "No camera found|Plug in or switch on a camera, then press Camera again.",
  camera_denied: "The camera is not allowed|Allow it for this page in the browser's address bar, then press Camera again.",
  camera_busy: "The camera does not start|Another program may be using it. Close that program, then press Camera again.",
  screen_missing: "This browser cannot share the screen|Use a browser on a computer, or show it to the camera.",
  screen_denied: "The screen is not shared|Press Screen again and choose what to share. On a Mac, allow the browser to record the screen in the privacy settings.",
  screen_busy: "Sharing the screen does not start|Choose another window, or start the browser again.",
  connection_lost: "Connection lost|Trying again in {seconds} s. Check your network if this stays.",
  server_restarting: "The server is restarting|Trying again in {seconds} s. Nothing needs to be done.",
  ticket_refused: "The ticket has expired|A new one is asked for in {seconds} s. Nothing needs to be done.",
  server_busy: "The server is busy|Trying again in {seconds} s. Nothing needs to be done.",
  misunderstood: "The server no longer understands this page|Load the page again: it may be older than the server.",
  too_slow: "Your connection was too slow|Speech could not be delivered in time. Trying again in {seconds} s. Stop other downloads if this stays.",
  gave_up: "Still no connection|Several attempts have failed. Check your network, then reconnect.",
  too_fast: "More was sent than the server takes|Turn the camera or screen share off, then reconnect.",
  not_allowed: "You are not allowed to join|Load this page again to sign in, or ask whoever runs this server.",
  superseded: "The conversation goes on in another tab|Close this tab, or take the conversation back.",
  session_ended: "The conversation has ended|Start again whenever you like.",
  unreachable: "The server does not answer|Check that it is running and that you are online, then try again.",
  refused: "The server refused|Try again, or choose another agent or language.",
  refused_10001: "All places are taken|The server holds as many conversations as it can. Try again in a minute.",
  sound_blocked: "The browser holds the sound back|Press the button, or anywhere on the page, to hear the agent.",
  sound_failed: "The sound does not start|Check that speakers or headphones are connected, then end and connect again. You can read the answers meanwhile.",
  overflow: "Some speech was left out|More speech arrived than can be kept. The captions have every word.",
  bad_message: "The server sent something unreadable|It was left out. If this repeats, load the page again.",
  reply_failed: "The answer failed|Say or type it again.",
  reply_incomplete: "The answer was cut short|It reached its limit. Ask the agent to go on.",
  server_error: "The server reports an error|The conversation goes on; if this repeats, end and connect again.",
  alert: "The agent has seen something|",
  notice: "Notice",
};

const CHINESE = {
  title: "Nova Realtime",
  tagline: "与能听、能看、能回答的智能体对话",
  page_language: "页面语言",
  skip: "跳到对话",
  agent: "智能体",
  talk_in: "对话语言",
  language_en: "英语（English）",
  language_zh: "中文",
  connect: "连接",
  connecting_button: "正在连接…",
  cancel: "取消",
  disconnect: "结束",
  mute: "静音",
  unmute: "取消静音",
  camera: "摄像头",
  screen: "屏幕",
  interrupt: "打断",
  interrupt_hint: "打断（Esc）",
  controls: "对话控制",
  conversation: "对话",
  conversation_empty: "您说的话和智能体的回答会逐字显示在这里。",
  type_here: "输入消息",
  send: "发送",
  level: "麦克风音量",
  seen: "智能体看过的画面",
  seen_tokens: "{tokens} 个令牌",
  seen_newest: "最新",
  seen_scene_change: "新场景",
  seen_while_speaking: "您说话时",
  seen_spread: "期间",
  seen_shown_before: "之前看过",
  seen_looked: "主动查看",
  seen_alert: "警报",
  budget_slower: "为节省而减少查看",
  budget_fewer: "为节省而减少画面",
  budget_mosaic: "为节省只看概览",
  budget_none: "预算已用完",
  preview_camera: "智能体正在看您的摄像头",
  preview_screen: "智能体正在看您的屏幕",
  user: "您",
  assistant: "Nova",
  interrupted: "已打断",
  details: "耗时",
  close: "关闭",
  setup: "开始对话",
  privacy: "仅在连接期间使用您的麦克风。",

  status_idle: "随时可以开始",
  status_connecting: "正在连接…",
  status_waiting: "正在重新连接…",
  status_microphone: "请允许使用麦克风",
  status_listening: "正在聆听",
  status_hearing: "听到您在说话",
  status_thinking: "正在思考",
  status_speaking: "正在说话",
  status_muted: "已静音",
  status_text_only: "请输入文字",

  action_retry: "重试",
  action_reconnect: "立即重连",
  action_take_back: "在此继续",
  action_start_again: "重新开始",
  action_sound: "打开声音",

  insecure_context: "此地址不安全|浏览器只允许 https 页面和 localhost 使用声音与麦克风。请通过 https 或 http://localhost 打开本页。",
  unsupported: "浏览器版本过旧|它无法按本页的需要处理声音。请使用最新的 Chrome、Edge、Firefox 或 Safari。",
  microphone_missing: "没有找到麦克风|请接入或打开麦克风，然后重试。在此之前您可以打字。",
  microphone_denied: "麦克风未获允许|请在浏览器地址栏和系统隐私设置中允许使用麦克风，然后重试。在此之前您可以打字。",
  microphone_busy: "麦克风无法启动|可能有其他程序正在使用它。请关闭该程序后重试。在此之前您可以打字。",
  microphone_lost: "麦克风已断开|请重新接入，或在系统设置中选择另一个麦克风，然后重试。在此之前您可以打字。",
  camera_missing: "没有找到摄像头|请接入或打开摄像头，然后再按“摄像头”。",
  camera_denied: "摄像头未获允许|请在浏览器地址栏中允许使用摄像头，然后再按“摄像头”。",
  camera_busy: "摄像头无法启动|可能有其他程序正在使用它。请关闭该程序，然后再按“摄像头”。",
  screen_missing: "此浏览器不能共享屏幕|请使用电脑上的浏览器，或用摄像头拍给它看。",
  screen_denied: "屏幕没有共享|请再按“屏幕”并选择要共享的内容。在 Mac 上，请在隐私设置中允许浏览器录制屏幕。",
  screen_busy: "屏幕共享无法启动|请选择另一个窗口，或重新启动浏览器。",
  connection_lost: "连接已断开|{seconds} 秒后重试。如果一直如此，请检查网络。",
  server_restarting: "服务器正在重启|{seconds} 秒后重试，您无需操作。",
  ticket_refused: "凭证已过期|{seconds} 秒后申请新的凭证，您无需操作。",
  server_busy: "服务器繁忙|{seconds} 秒后重试，您无需操作。",
  misunderstood: "服务器无法理解此页面|请重新加载本页：它可能比服务器旧。",
  too_slow: "您的网络太慢|语音未能及时送达。{seconds} 秒后重试。如果一直如此，请停止其他下载。",
  gave_up: "仍然无法连接|多次尝试均未成功。请检查网络，然后重连。",
  too_fast: "发送的数据超过服务器的限制|请关闭摄像头或屏幕共享，然后重连。",
  not_allowed: "您没有加入的权限|请重新加载本页登录，或询问服务器的管理者。",
  superseded: "对话已在另一个标签页继续|请关闭此标签页，或把对话收回到这里。",
  session_ended: "对话已结束|您随时可以重新开始。",
  unreachable: "服务器没有回应|请确认服务器正在运行且您已联网，然后重试。",
  refused: "服务器拒绝了请求|请重试，或选择其他智能体或语言。",
  refused_10001: "名额已满|服务器已达到对话数量上限。请一分钟后重试。",
  sound_blocked: "浏览器阻止了声音|请按此按钮或页面任意处，即可听到智能体。",
  sound_failed: "声音无法启动|请确认已连接扬声器或耳机，然后结束并重新连接。在此期间您可以阅读回答。",
  overflow: "有些语音被省略|收到的语音超过可保存的量。字幕包含每一个字。",
  bad_message: "服务器发来无法读取的内容|该内容已被略过。如果重复出现，请重新加载本页。",
  reply_failed: "回答失败|请再说一遍或重新输入。",
  reply_incomplete: "回答被截短|已达到长度上限。请让智能体继续。",
  server_error: "服务器报告错误|对话仍在继续；如果重复出现，请结束并重新连接。",
  alert: "智能体发现了情况|",
  notice: "提示",
};

const LANGUAGES = { en: ENGLISH, zh: CHINESE };
const STORED_AS = "nova.page_language";

let spoken = stored() ?? (navigator.language?.startsWith("zh") ? "zh" : "en");

export function pageLanguage() {
  return spoken;
}

export function speak(language) {
  spoken = Object.hasOwn(LANGUAGES, language) ? language : "en";
  try {
    localStorage.setItem(STORED_AS, spoken);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

export function words(key, values = {}) {
  const text = LANGUAGES[spoken][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function knows(key) {
  return Object.hasOwn(ENGLISH, key);
}

// An error's text is its title, a bar, and what to do about it.
export function errorWords(key, values = {}) {
  const [title, ...advice] = LANGUAGES[spoken][key].split("|");
  const fill = (text) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "").trim();
  return { title: fill(title), advice: fill(advice.join("|")) };
}

function stored() {
  try {
    const language = localStorage.getItem(STORED_AS);
    return Object.hasOwn(LANGUAGES, language) ? language : null;
  } catch {
    return null;
  }
}
