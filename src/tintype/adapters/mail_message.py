"""A mail as Internet messages are written (RFC 5322)."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from tintype.ports.mailer import Mail


def message_of(mail: Mail, sender: str) -> EmailMessage:
    """Return the message. The library refuses a line end in a header, so no address can add a header."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = f"<{mail.id}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is to answer
    message.set_content(mail.text)
    return message
