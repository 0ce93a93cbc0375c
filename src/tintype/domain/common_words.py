"""Words that people make passwords of, in lower case: what guessers combine with years, digits and signs."""

from typing import Final

_COMMON_WORDS_TEXT: Final = """
password passwort passwd passw0rd pass word letmein welcome login admin administrator root user guest test
testing master access secret private default changeme change please hello hallo bonjour hola ciao monkey dragon
shadow superman batman spiderman ironman pokemon pikachu naruto starwars skywalker startrek matrix trustno trust
noone iloveyou iloveu loveyou ilove lovely lover loving loveme forever always fuckyou fuckme fuck shit bitch
asshole pussy football baseball basketball soccer hockey golf tennis fussball futbol liverpool chelsea arsenal
manchester barcelona madrid juventus yankees cowboys steelers eagles lakers princess prince queen king angel
angels heaven jesus christ jesuschrist blessed faith gospel allah god sunshine flower flowers butterfly rainbow
unicorn summer winter spring autumn january february march april june july august september october november
december monday tuesday wednesday thursday friday saturday sunday morning night computer internet windows linux
ubuntu microsoft google facebook instagram twitter youtube amazon apple iphone samsung nokia android laptop
server network system database oracle cisco michael jennifer jessica ashley daniel thomas robert jordan andrew
joshua matthew michelle charlie william richard george david james john joseph anthony amanda nicole samantha
elizabeth maria anna laura sarah andrea alexander alexandra nicholas christian christopher benjamin jonathan
patrick kevin brian steven edward martin peter paul mark stefan sebastian florian julia sophie lisa emma hannah
taylor maggie ginger pepper buster tigger cookie chocolate cheese banana orange cherry peanut coffee pizza beer
whiskey vodka money dollar business company family mother father mommy daddy sister brother baby children friend
friends bestfriend husband wife sweetheart honey sweety darling beautiful handsome gorgeous killer hunter ranger
warrior soldier knight ninja samurai pirate wizard magic phoenix eagle falcon hawk tiger lion panther wolf bear
horse horses doggy puppy kitten kitty fish dolphin shark snake spider mustang ferrari porsche mercedes toyota
honda yamaha harley corvette camaro chevy ford music guitar piano metallica slipknot nirvana eminem beatles
hiphop dance party freedom peace liberty america american england london paris france germany deutschland berlin
india canada australia mexico brazil brasil texas california florida chicago newyork boston dallas denver vegas
hollywood blue black white green purple yellow silver golden gold diamond crystal star stars moon earth world
universe galaxy cosmos planet ocean river mountain forest garden house school college student teacher doctor
nurse police lawyer engineer manager office work happy lucky crazy funny smile sexy hottie cool awesome super
mega ultra power energy thunder lightning fire storm winner victory champion champ player gamer games minecraft
fortnite roblox counterstrike warcraft zelda mario sonic nintendo playstation xbox photo photos image images
picture pictures camera tintype account email mail website online site hacker hackers security secure qwerty
qwertz azerty asdf asdfgh zxcvbn qazwsx correcthorsebatterystaple the and for you your my me is love life live
here there this that with from
"""
COMMON_WORDS: Final = frozenset(_COMMON_WORDS_TEXT.split())
