"""Tables of plain English for prompts: synonyms, words that are no typing errors, their kinds."""

# Meaning: candidates, best first and divided by "|" -> the words and phrases that are read so.
# Hyphens in phrases count as blanks ("middle aged" stands for "middle-aged" too). A candidate that
# begins with "with" or "in" goes behind the noun: "a bearded man" -> "a man with a beard".
MEANINGS = {
    # Who. The captions know men and women only; where the sex is open, nothing is said of it.
    "woman": "women, womans, lady, ladies, female, females, mother, mom, mum, mommy, mummy, wife, "
    "aunt, bride, queen, businesswoman, actress, waitress, housewife, saleswoman, policewoman",
    "man": "men, mans, guy, guys, male, males, gentleman, gentlemen, gent, dude, bloke, chap, "
    "fellow, fella, father, dad, daddy, husband, uncle, groom, king, businessman, actor, waiter, "
    "salesman, policeman, fireman, fisherman",
    "young woman": "girl, girls, lass, gal, daughter, princess, schoolgirl, teenage girl, "
    "little girl, young girl, young lady",
    "young man": "boy, boys, lad, son, prince, schoolboy, teenage boy, little boy, young boy, "
    "young guy",
    "elderly woman": "grandmother, grandma, granny, gran, nana, old lady, old girl",
    "elderly man": "grandfather, grandpa, granddad, grandad, old boy",
    "portrait | photograph | photo": "person, people, human, someone, somebody, adult, individual, "
    "headshot, head shot, close up, closeup, character",
    "young portrait | young": "child, children, kid, kids, baby, toddler, infant, young person, "
    "young people, teen, teens, teenager, teenagers, adolescent, youth",
    "elderly portrait | elderly": "old person, old people, elder, pensioner, senior citizen",
    # Age.
    "elderly": "old, older, aged, senior, ancient, oldest",
    "young": "younger, youngest, youthful, teenage, teenaged, juvenile",
    "in {their} forties | in {their} fifties": "middle aged, middle age",
    # Skin, the only thing that captions say of where somebody comes from.
    "with very fair skin": "pale, porcelain",
    "with tan skin": "tanned, suntanned, sun tanned",
    "very fair skin": "pale skin, porcelain skin, pale complexion",
    "fair skin": "white skin, ivory skin",
    "deep brown skin": "black skin, ebony skin",
    "with freckles": "freckled, freckly",
    "skin": "complexion",
    # Hair.
    "hair": "tresses, hairdo, hairstyle, hairstyles, haircut, wig",
    "with blond hair": "blonde, blondes",
    "blond": "dirty blond, dirty blonde, ash blond, ash blonde, strawberry blond, "
    "strawberry blonde, flaxen",
    "blond hair": "blonde hair, golden hair, yellow hair",
    "blond bob": "blonde bob",
    "curly blond hair": "curly blonde hair, blonde curly hair, blonde curls, blond curls",
    "wavy blond hair": "wavy blonde hair, blonde wavy hair",
    "blond afro": "blonde afro",
    "with red hair": "redhead, red head, redheaded, red headed, ginger, redheads",
    "red hair": "ginger hair",
    "copper hair | red hair": "orange hair",
    "with brown hair": "brunette, brunettes",
    "brown hair": "brunette hair, chestnut hair, chocolate hair",
    "black hair": "raven hair, jet black hair",
    "grey hair": "silver hair, silvery hair",
    "greying hair | grey hair": "salt and pepper hair",
    "greying": "graying, salt and pepper",
    "auburn": "mahogany",
    "platinum": "platinum blond, platinum blonde",
    "curly": "frizzy, kinky, coily, curled, permed",
    "curly hair": "curls, ringlets, perm, curly locks",
    "wavy": "waved",
    "wavy hair": "wavy locks",
    "straight": "sleek, straightened",
    "short": "cropped, shorter, close cropped",
    "short hair": "pixie cut, cropped hair",
    "long hair": "long locks",
    "long": "shoulder length, waist length, lengthy",
    "shaved hair": "buzz cut, buzzcut, crew cut, crewcut",
    "a fringe": "bangs, fringes",
    "bob": "bobbed hair, bob cut",
    "hair tied back": "ponytail, pony tail, ponytails",
    "hair in braids | braids": "dreadlocks, dreads, cornrows, pigtails, plaits, plait, box braids",
    "braids": "braided, plaited",
    "bun": "updo, up do, topknot, top knot, man bun, hair bun, chignon",
    "hair standing up at the front": "quiff, pompadour",
    "hair swept back": "slicked back hair, hair slicked back, combed back hair, hair combed back",
    "swept back": "slicked back, combed back, brushed back",
    "with thinning hair": "balding",
    "receding hair": "receding hairline",
    "bald": "hairless, bald headed",
    "a bald head": "bald pate",
    "dyed": "dye, bleached",
    # Beard.
    "a beard": "facial hair, whiskers",
    "full beard": "big beard, bushy beard, long beard, thick beard",
    "with a beard": "bearded",
    "moustache": "mustache, mustaches, moustaches, mustachio, tache, stache",
    "with a moustache": "mustached, moustached, mustachioed, moustachioed",
    "goatee": "goatie, goatees, van dyke",
    "stubble": "five o'clock shadow, 5 o'clock shadow, scruff",
    "with stubble": "unshaven, stubbly, scruffy, unshaved",
    # Eyes.
    "hazel eyes": "amber eyes",
    "dark brown eyes": "black eyes",
    "closed": "shut",
    "with closed eyes": "sleeping, asleep",
    # Expression.
    "smiling": "smiles, smiled, happy, cheerful, joyful, joyous, merry, grinning, "
    "beaming, friendly, smiley, glad",
    "broad smile": "grin, big smile, wide smile, huge smile, bright smile, toothy smile, "
    "toothy grin, big grin, wide grin, broad grin, open smile",
    "slight smile": "half smile, faint smile, gentle smile, soft smile, subtle smile, small smile",
    "smiling broadly": "smiling widely",
    "smiling faintly": "smiling slightly, smiling softly, smiling gently",
    "smile": "happiness, joy",
    "slight": "faint, subtle",
    "laughing": "laughs, laughed, giggling, chuckling",
    "laugh": "laughter, giggle, chuckle",
    "sad": "unhappy, sorrowful, gloomy, depressed, melancholy, melancholic, crying, upset, "
    "weeping, tearful, miserable",
    "angry": "mad, furious, annoyed, enraged, irate, grumpy",
    "angry look": "scowl",
    "surprised": "shocked, astonished, amazed, startled",
    "surprised look": "surprise",
    "serious": "stern, solemn, frowning, unsmiling, severe",
    "serious look": "frown",
    "calm": "neutral, relaxed, peaceful, serene, expressionless",
    "smirking": "smug, sneering",
    "crooked smile": "smirk, sneer",
    "look": "expression, facial expression",
    "with pursed lips": "pouting, kissing",
    "pursed lips": "pout, duck face",
    "with an open mouth": "singing, shouting, screaming, yelling, yawning, open mouthed",
    "talking": "speaking, chatting",
    # Clothes.
    "t-shirt": "tee, tshirt, tee shirt, teeshirt",
    "polo neck": "turtleneck, turtle neck, rollneck, roll neck, poloneck",
    "v-neck top": "v neck sweater, v neck jumper, v neck pullover",
    "top": "sweater, jumper, pullover, sweatshirt, cardigan, tank top, vest, dress, gown, clothes, "
    "clothing, outfit, robe",
    "shirt": "blouse, button up, button down, dress shirt",
    "jacket": "coat, blazer, suit, suit jacket, hoodie, hoody, overcoat, parka, anorak, raincoat",
    "scarf": "shawl, neckerchief, muffler, scarves",
    "wearing": "wears, wore, dressed in, clad in",
    # Glasses, hats, earrings.
    "glasses": "eyeglasses, eyeglass, eye glasses, spectacles, specs, eyewear, reading glasses, "
    "goggles, a pair of glasses, a pair of spectacles, pair of glasses",
    "sunglasses": "shades, dark glasses, sunglass, sunnies, a pair of sunglasses",
    "with glasses": "bespectacled, spectacled",
    "tortoiseshell": "horn rimmed, hornrimmed",
    "rectangular glasses": "square glasses, angular glasses",
    "aviator glasses": "aviators, pilot glasses",
    "black-framed glasses": "black glasses, dark framed glasses, black rimmed glasses",
    "gold-framed glasses": "gold glasses, golden glasses, gold rimmed glasses",
    "silver-framed glasses": "silver glasses, silver rimmed glasses, wire rimmed glasses",
    "red-framed glasses": "red glasses, red rimmed glasses",
    "blue-framed glasses": "blue glasses, blue rimmed glasses",
    "brown-framed glasses": "brown glasses, brown rimmed glasses",
    "clear-framed glasses": "clear glasses",
    "knitted hat | woolly hat | hat": "knit hat, knit cap, bobble hat, toque, tuque, woollen hat",
    "woolly": "woolen, woollen, wooly, wool",
    "knitted": "knit",
    "baseball cap": "baseball hat, ball cap, trucker hat, trucker cap",
    "wide-brimmed hat | hat": "fedora, cowboy hat, sombrero, panama hat, stetson",
    "sun hat | hat": "sunhat, sun bonnet, bonnet, summer hat",
    "hat": "top hat, bowler hat, bowler, trilby, headgear",
    "headscarf": "head scarf, kerchief, headcloth, veil, bandana, head covering",
    "hoop earrings | earrings": "hoops",
    "ear studs | earrings": "stud earrings, stud earring",
    "pearl earrings": "pearls",
    # Colours.
    "grey": "gray, grayish, greyish",
    "dark grey": "charcoal, dark gray",
    "light grey": "light gray, pale grey, pale gray",
    "coloured light": "neon light, neon lights, neon lighting, colored lights, coloured lights",
    "coloured": "colored, colorful, colourful, multicolored, multicoloured",
    "teal": "turquoise, cyan, aqua",
    "purple": "violet, lilac, lavender, mauve, indigo",
    "red": "crimson, scarlet, maroon, burgundy, ruby, cherry",
    "pink": "magenta, fuchsia, salmon, pale pink",
    "beige": "cream, khaki, sand",
    "white": "off white, snow white, snowy, ivory",
    "black": "jet black, pitch black, ebony",
    "brown": "chestnut, chocolate, pale brown",
    "light blue": "sky blue, baby blue, pale blue",
    "blue": "azure, sapphire, cobalt, bluish, blueish",
    "navy": "navy blue, midnight blue",
    "green": "emerald, pale green",
    "yellow": "pale yellow",
    "colour": "color, colors, colours",
    # Background.
    "background": "backdrop, backgrounds",
    "trees": "forest, woods, woodland, jungle",
    "among trees": "in a forest, in the forest, in the woods, in a jungle, in the jungle",
    "park": "garden, meadow",
    "by the sea": "on the beach, on a beach, at the beach, at a beach, at the sea, at the seaside, "
    "by the ocean, at the ocean, near the sea, near the ocean",
    "sea": "ocean, beach, seaside, shore, coast",
    "mountains": "hills, mountain, alps",
    "cafe": "bar, pub, restaurant, coffee shop, coffeehouse, diner, bistro",
    "room": "kitchen, bedroom, living room, office, classroom",
    "indoors": "inside, at home, indoor, interior",
    "outdoors": "outside, outdoor, in nature",
    "bookshelf": "bookcase, bookshelves, book shelves",
    "houses": "buildings, house, building",
    "city": "town, urban, downtown, skyline",
    "street": "road, alley, sidewalk, pavement",
    "brick wall": "brickwall, bricks",
    "blurred": "blurry, out of focus, unfocused, defocused",
    "blurred warm lights | blurred": "bokeh",
    "leaves": "leaf, foliage",
    "wooden": "wood",
    "by": "near, beside",
    "behind": "in the background",
    # Light.
    "light": "lighting, illumination",
    "sunlight": "sunshine, daylight",
    "bright sunlight": "sunny, sunny day, bright daylight",
    "in golden evening light": "at sunset, at dusk, at sunrise, at golden hour, during sunset",
    "in blue evening light": "at twilight",
    "golden evening light": "sunset, dusk, sunrise, golden hour, evening sun",
    "warm lamp light": "candlelight, lamplight, candle light, lamplit",
    "blue evening light": "moonlight, twilight, blue hour",
    "window light": "natural light, natural lighting",
    "studio light": "softbox, spotlight, flash",
    "overcast": "cloudy, rainy, grey sky",
    "hazy": "foggy, misty",
    "night": "nighttime, night time, midnight",
    "shade": "shadow, shadows, shady",
    "dramatic": "moody",
    # Where somebody looks.
    "up": "upwards, upward",
    "down": "downwards, downward",
    "left": "leftwards",
    "right": "rightwards",
    # Kinds of picture; which of them there are depends on the captions.
    "photo | photograph | portrait": "picture, pic, image, selfie, snapshot, snap, "
    "foto, photography",
    "photograph | photo": "photographic, photorealistic",
    "watercolour": "watercolor, aquarelle, water colour, water color",
    "manga": "anime",
    "3-d cartoon": "pixar",
    "drawing": "illustration",
    # Phrases of known words that mean something else as a whole and have no equivalent.
    "": "clean shaven, clean shave, smooth shaven, looking at the camera, looking at camera, "
    "facing the camera, facing camera, looking at the viewer, looking into the camera, "
    "looking straight ahead, facing forward, glass of wine, light bulb, bow tie, red carpet, "
    "close shaven, bald eagle, straight face, full body, full length, looking good, "
    "high neck, good looking, bad hair day, hair tie, hair band",
}
# "a black man": captions name the colour of skin, not a group of people.
_PEOPLE = {
    "man": "man, guy, dude, male, gentleman",
    "young man": "boy, lad",
    "woman": "woman, lady, female",
    "young woman": "girl",
    "portrait": "person, people",
}
_SKINS = {"black": "dark brown skin", "white": "fair skin"}


def _table():
    """`SYNONYMS` out of the tables above, a key a word or phrase."""
    synonyms = {}
    for candidates, keys in MEANINGS.items():
        for key in keys.split(", "):
            synonyms.setdefault(key, tuple(c for c in candidates.split(" | ") if c))
    for noun, keys in _PEOPLE.items():
        for key in keys.split(", "):
            for colour, skin in _SKINS.items():
                synonyms[f"{colour} {key}"] = (f"{noun} with {skin}",)
                for young in ("old", "elderly", "young"):
                    age = "young" if young == "young" else "elderly"
                    meant = f"{age} {noun.removeprefix('young ')} with {skin}"
                    synonyms[f"{colour} {young} {key}"] = (meant,)
    return synonyms


SYNONYMS = _table()

# Ordinary words that look like a typing error or a form of another one and are neither.
ORDINARY_WORDS = frozenset(
    "aback aviation backed backer backing balling banana bang bard bars basketball beached "
    "bead beaded bear bearing beating behinds blacking blaming blight blood blues blurted "
    "board boarded bobbing bond book boots brad brains braised branded brands breached bread "
    "bricked brighten broadway brow cape capping chanting charting chopped chopper chucking "
    "clam cloned close closely closer closest closet closing clot clothe clothed clotting "
    "coasts color colors colour colours completion cooked cooper copier copped copter "
    "croaked crook crooks depresses downed downer downing dread drown earnings eighteen "
    "engaged enrage even evenly evens face faces fading fairy faking faring faxing fellows "
    "flair flashes font foreman form fridge fronted fronting fully gasses gently glass good "
    "gracing grading grasses grating grazing greens grinding hairy headed header heading "
    "heady heard herring hill hiss hisses hissing horses hoses housed inferior jacked kingly "
    "knitting knotted lasses leases leave lefts lefty length lengths lighted lightning "
    "literary loaves locking longed longing longs looker looming looping looting maintains "
    "manned manner manning mommies moth mouthy muffle muffled mummies necking neural nigh "
    "oils oliver outsider overcame pain pained paint painter painting paintings paints parked "
    "parker parking part partied parting partly parts pasted patted peal pear phonograph "
    "photon plaid plan planes plans planted plants plated pointed polio pool posting potting "
    "pouring pranks princely printed pulsing punk purged purging purring purse purses pursued "
    "pursuing reds related relaxes relayed rightly rights rooming rosie rounded rounding "
    "rounds rouse rubies sailing saved scar scares scouting seeping selves seventeen shacked "
    "shamed shaped shared shave shaver sheaves shelve shirking shooter shooting shores "
    "shorted shorten shorting shorts shot shoved sided sight signing sinking sinning skinned "
    "skinning skirt skylight slaved sleight slide slinging sliver sneaking sneezing snide "
    "socked soiling sort spec spectacle spending spouting squabble stand stands starlet "
    "starlight started startle starves steering stepson stinging stocked straighten streaming "
    "striking stubby stud stumble stunning suites sunshiny surprising sweated sweeping "
    "sweeter swinging taking tanner tasking thinking thirteen threes tide ties timed tired "
    "toddle topped topper topping tried tuned turn turner turns twentieth walk walled wally "
    "wearer weaving weeding whispers whit wholly widow width wifely wiggly witch wither "
    "yelping".split()
)

# What the words of a vocabulary are about.
KINDS = {
    "sex": "man woman men women male female",
    "age": "young elderly old middle-aged child teenager twenties thirties forties fifties "
    "sixties seventies eighties nineties",
    "hair": "hair bob fringe curly wavy straight afro bun braids parted swept tied receding "
    "thinning bald shaved short long head standing ponytail",
    "hair colour": "blond auburn copper platinum dyed greying ginger",
    "beard": "beard stubble goatee moustache full",
    "skin": "skin olive fair tan freckles",
    "eyes": "eyes hazel closed",
    "expression": "smiling smile broadly broad faintly slight serious surprised laughing laugh "
    "sad angry calm talking smirking crooked pursing pursed lips mouth open look neutral",
    "clothes": "jacket polo neck shirt t-shirt v-neck top scarf dress coat sweater wearing",
    "glasses and hats": "glasses sunglasses rectangular round aviator cat-eye half-rim "
    "tortoiseshell hat cap baseball beanie woolly knitted wide-brimmed straw headscarf hijab",
    "jewellery": "earrings ear studs hoop pearl necklace",
    "colours": "black white grey brown red green blue yellow pink purple orange beige navy teal "
    "rose gold silver light dark deep",
    "background": "background wall brick wooden planks cloth painted mottled plain blurred trees "
    "leaves park sea mountains street city houses cafe room library bookshelf books shelves "
    "indoors outdoors lights",
    "light": "studio window sunlight sun evening night lamp golden warm soft bright hazy dim "
    "overcast dramatic coloured shade",
    "direction": "left right up down front side back turned facing looking",
    "picture": "portrait photograph photo picture manga drawing sketch pencil oil painting "
    "watercolour pixel art cartoon 3-d",
    "small words": "a an the and with of in at on by to from before above behind among his her "
    "their very",
}
