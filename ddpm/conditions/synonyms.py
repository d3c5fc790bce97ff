"""Tables of plain English for prompts: synonyms, words that are no typing errors, their kinds."""

# Meaning: candidates, best first and divided by "|" -> the words and phrases that are read so.
# Hyphens in phrases count as blanks ("middle aged" stands for "middle-aged" too). A candidate that
# begins with "with" or "in" goes behind the noun: "a bearded man" -> "a man with a beard". An empty
# last candidate leaves out what a vocabulary has no word for without a report. A phrase that is its
# own first candidate stays as it is typed where its words are known.
MEANINGS = {
    # Who. The captions know men and women only; where the sex is open, nothing is said of it.
    "woman": "women, womans, lady, ladies, female, females, mother, mom, mum, mommy, mummy, wife, "
    "aunt, bride, queen, businesswoman, actress, waitress, housewife, saleswoman, policewoman, "
    "ballerina, goddess",
    "woman in a headscarf": "nun",
    "man": "men, mans, guy, guys, male, males, gentleman, gentlemen, gent, dude, bloke, chap, "
    "fellow, fella, father, dad, daddy, husband, uncle, groom, king, businessman, actor, waiter, "
    "salesman, policeman, fireman, fisherman, business man, nobleman, postman, cowboy, monk, "
    "priest, pirate, sailor, soldier, samurai, viking, boxer, miner, boss, captain, knight",
    "young person | person | portrait": "student",
    "person | portrait": "doctor, nurse, teacher, accountant, librarian, scientist, farmer, chef, "
    "cook, detective, musician, artist, painter, writer, poet, dancer, singer, runner, athlete, "
    "philosopher, lawyer, engineer, model, fashion model, rock star, movie star, film star, "
    "neighbour, neighbor, friend, worker, driver, gardener, journalist, astronaut, pilot, hero, "
    "warrior, professor, politician, hiker, guitarist, hacker, programmer, clown",
    "young woman": "girl, girls, lass, gal, daughter, princess, schoolgirl, teenage girl, little "
    "girl, young girl, young lady",
    "young man": "boy, boys, lad, son, prince, schoolboy, teenage boy, little boy, young boy, "
    "young guy",
    "old woman | elderly woman": "witch, grandmother, grandma, granny, gran, nana, old lady, old "
    "girl",
    "old man | elderly man": "wizard, grandfather, grandpa, granddad, grandad, old boy",
    "portrait | photograph | photo": "person",
    "person | portrait | photograph | photo": "people, human, someone, somebody, adult, "
    "individual, character",
    "close-up | person | portrait | photograph | photo": "close up, closeup",
    "head and shoulders | person | portrait | photograph | photo": "headshot, head shot",
    "young portrait | young": "young person",
    "young person | young portrait | young": "child, children, kid, kids, baby, toddler, infant, "
    "young people, teen, teens, teenager, teenagers, adolescent, youth",
    "elderly portrait | elderly": "old person",
    "old person | elderly portrait | elderly": "old people, elder, pensioner, senior citizen",
    # Age.
    "elderly": "old",
    "old": "elderly",
    "old | elderly": "older, aged, senior, ancient, oldest",
    "young": "younger, youngest, youthful, teenage, teenaged, juvenile",
    "middle-aged | in {their} forties | in {their} fifties": "middle aged, middle age, mature",
    "in {their} twenties": "twenty, twenty five",
    "in {their} thirties": "thirty, thirty five",
    "in {their} forties": "forty, forty five",
    "in {their} fifties": "fifty, fifty five",
    "in {their} sixties": "sixty, sixty five",
    "in {their} seventies": "seventy, seventy five",
    "in {their} eighties": "eighty, eighty five",
    # Origins and skin.
    "african": "black african, nigerian, kenyan, ethiopian, ghanaian, somali, senegalese, "
    "congolese, sudanese, african american, afro american, jamaican, haitian, zulu, ugandan, west "
    "african, east african",
    "asian": "east asian, chinese, japanese, korean, vietnamese, thai, filipino, filipina, "
    "mongolian, taiwanese, malaysian, indonesian, cambodian, burmese, tibetan, singaporean",
    "european": "caucasian, german, french, italian, spanish, greek, irish, scottish, welsh, "
    "english, british, polish, russian, ukrainian, swedish, norwegian, danish, finnish, dutch, "
    "belgian, austrian, swiss, portuguese, czech, hungarian, romanian, bulgarian, serbian, "
    "croatian, nordic, scandinavian, slavic, icelandic, mediterranean, western, northern "
    "european, eastern european",
    "with tan skin": "tanned, suntanned, sun tanned",
    "with pale skin | with very fair skin": "pale, porcelain",
    "dark skin | dark brown skin": "dark complexion",
    "dark brown skin": "dark skin",
    "light skin": "light complexion",
    "very fair skin": "pale skin",
    "pale skin | very fair skin": "porcelain skin, pale complexion",
    "fair skin": "white skin, ivory skin",
    "deep brown skin": "black skin, ebony skin",
    "with freckles": "freckled, freckly",
    "with wrinkles": "wrinkled, wrinkly, weathered, lined face, weathered skin, wrinkled face",
    "wrinkles": "creases, crows feet, crow's feet, deep wrinkles",
    "rosy cheeks": "red cheeks, pink cheeks, ruddy cheeks, blushing, flushed cheeks",
    "with rosy cheeks": "red faced, rosy cheeked, ruddy",
    "lipstick": "make up, makeup, red lips, painted lips, lip gloss, red lipstick, pink lipstick",
    "eyebrows": "brows, eyebrow",
    "bushy eyebrows": "big eyebrows, huge eyebrows, heavy eyebrows",
    "with tired eyes": "tired, exhausted, sleepy, weary",
    "tired eyes": "bags under the eyes, bags under his eyes, bags under her eyes, dark circles, "
    "eye bags, sleepy eyes",
    "skin": "complexion",
    # Build.
    "heavy": "overweight, obese, stout, large built, big boned",
    "plump": "chubby, curvy, round faced, double chin, full faced",
    "thin": "skinny, lean, gaunt, bony, slender, hollow cheeks",
    "big": "huge, large, enormous",
    # Hair.
    "hair": "tresses, hairdo, hairstyle, hairstyles, haircut, wig",
    "with blond hair": "blonde, blondes",
    "blond": "dirty blond, dirty blonde, ash blond, ash blonde, strawberry blond, strawberry "
    "blonde, flaxen",
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
    "grey hair": "silver hair",
    "silver hair | grey hair": "silvery hair",
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
    "light hair": "fair hair, very light hair",
    "buzz cut | shaved hair": "crew cut, crewcut, buzzcut, shorn hair",
    "long hair": "long locks",
    "long": "shoulder length, waist length, lengthy",
    "shaved hair": "buzz cut",
    "a fringe": "bangs",
    "bangs | a fringe": "fringes",
    "bob": "bobbed hair, bob cut",
    "hair tied back": "ponytail",
    "ponytail | hair tied back": "pony tail, ponytails",
    "hair in braids | braids": "dreadlocks, dreads, cornrows, pigtails, plaits, plait, box braids",
    "braids": "braided, plaited, braid",
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
    "friendly | smiling": "kind, kindly, warm hearted, welcoming, nice",
    "smiling": "winking, smiles, smiled, happy, cheerful, joyful, joyous, merry, grinning, "
    "beaming, friendly, smiley, glad",
    "broad smile": "grin, big smile, wide smile, huge smile, bright smile, toothy smile, toothy "
    "grin, big grin, wide grin, broad grin, open smile",
    "friendly smile | smile": "warm smile, kind smile, sweet smile",
    "slight smile": "half smile, faint smile, gentle smile, soft smile, subtle smile, small smile",
    "smiling broadly": "smiling widely",
    "smiling faintly": "smiling slightly, smiling softly, smiling gently",
    "smile": "happiness, joy",
    "slight": "faint, subtle",
    "laughing": "laughs, laughed, giggling, chuckling",
    "laugh": "laughter, giggle, chuckle",
    "sad": "unhappy, sorrowful, gloomy, depressed, melancholy, melancholic, crying, upset, "
    "weeping, tearful, miserable, worried, lonely",
    "angry": "mad, furious, annoyed, enraged, irate, grumpy, fierce",
    "angry look": "scowl",
    "surprised": "shocked, astonished, amazed, startled",
    "surprised look": "surprise",
    "serious": "stern, solemn, frowning, unsmiling, severe, confident, thoughtful, pensive, proud, "
    "determined, intense",
    "serious look": "frown",
    "calm": "neutral, relaxed, peaceful, serene, expressionless",
    "smirking": "smug, sneering",
    "crooked smile": "smirk, sneer, sly smile, crooked grin, wry smile",
    "look": "expression, facial expression",
    "with pursed lips": "pouting, kissing",
    "pursed lips": "pout, duck face",
    "with an open mouth": "singing, shouting, screaming, yelling, yawning, open mouthed",
    "talking": "speaking, chatting",
    # Clothes.
    "t-shirt": "tee, tshirt, tee shirt, teeshirt",
    "polo neck": "turtleneck, turtle neck, rollneck, roll neck, poloneck",
    "v-neck top": "v neck sweater, v neck jumper, v neck pullover",
    "jumper | top": "sweater",
    "sweater | top": "jumper",
    "sweater | jumper | top": "pullover, cardigan, sweatshirt, wool sweater, knitted sweater, "
    "woolly jumper, knit sweater",
    "striped sweater | sweater | jumper | top": "striped sweater",
    "top": "waistcoat, apron, sari, uniform, tank top, vest, dress, gown, clothes, clothing, "
    "outfit, robe",
    "shirt": "blouse, button up, button down, dress shirt, hawaiian shirt, silk shirt, polo "
    "shirt, embroidered shirt",
    "plaid shirt | checked shirt | shirt": "plaid shirt, flannel shirt, tartan shirt",
    "checked shirt | plaid shirt | shirt": "checked shirt, checkered shirt",
    "striped shirt | shirt": "striped shirt",
    "patterned shirt | shirt": "floral shirt, patterned shirt",
    "plaid | checked": "tartan, flannel",
    "checked | plaid": "checkered, chequered, gingham",
    "striped": "stripy, stripey",
    "pinstriped": "pinstripe",
    "coat | jacket": "trench coat, overcoat, winter coat, rain coat",
    "suit | jacket": "business suit, tuxedo, suit and tie",
    "jacket": "coat, blazer, suit, suit jacket, hoodie, hoody, parka, anorak, raincoat",
    "scarf": "shawl, neckerchief, muffler, scarves",
    "wearing": "wears, wore, dressed in, clad in",
    "black jacket": "leather jacket, biker jacket, black leather jacket",
    "tweed jacket | brown jacket": "tweed jacket",
    "brown jacket": "brown leather jacket, corduroy jacket, suede jacket",
    "blue jacket": "denim jacket, jean jacket, jeans jacket",
    "blue shirt": "denim shirt",
    "white shirt": "linen shirt, white linen shirt, lab coat",
    "blouse | shirt": "embroidered blouse, silk blouse, floral blouse, lace blouse",
    "dress | top": "velvet dress, summer dress, evening dress, silk dress, wedding dress, floral "
    "dress",
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
    "headscarf | hat": "turban",
    "cap": "flat cap, beret, peaked cap, sailor cap",
    "hat": "helmet, fur hat, conical hat, chef hat, hood, top hat, bowler hat, bowler, trilby, "
    "headgear",
    "knitted hat | woolly hat | hat": "knit hat, knit cap, bobble hat, toque, tuque, woollen hat",
    "woolly": "woolen, woollen, wooly, wool",
    "knitted": "knit",
    "baseball cap": "baseball hat, ball cap, trucker hat, trucker cap",
    "wide-brimmed hat | hat": "fedora, cowboy hat, sombrero, panama hat, stetson",
    "sun hat | hat": "sunhat, sun bonnet, bonnet, summer hat",
    "headscarf": "head scarf, kerchief, headcloth, veil, bandana, head covering",
    "hoop earrings | earrings": "hoops, large hoops, big hoops",
    "ear studs | earrings": "stud earrings, stud earring",
    "pearl earrings": "pearls, pearl necklace",
    "earrings": "jade earrings, jewellery, jewelry, diamond earrings, green earrings, red "
    "earrings, blue earrings, ear rings",
    "silver earrings": "silver jewellery, silver jewelry, silver earring",
    "gold earrings": "gold jewellery, gold jewelry, golden earrings, gold earring, golden earring",
    # Colours.
    "grey": "gray, grayish, greyish",
    "dark grey": "charcoal, dark gray",
    "light grey": "light gray, pale grey, pale gray",
    "neon light | coloured light": "neon lights, neon lighting, neon, cyberpunk",
    "coloured light": "neon light, colored lights, coloured lights",
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
    "blurred warm lights | blurred": "bokeh, shallow depth of field",
    "leaves": "leaf, foliage",
    "wooden": "wood",
    "by": "near, beside",
    "behind": "in the background",
    # Light.
    "light": "lighting, illumination",
    "sunlight": "sunshine, daylight",
    "bright": "strong, harsh",
    "bright sunlight": "strong sunlight, harsh sunlight, summer light, summer sun, sunny, sunny "
    "day, bright daylight",
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
    "turned right": "side profile, in profile, profile, side view",
    # Kinds of picture; which of them there are depends on the captions.
    "photo | photograph | portrait": "picture, pic, image, selfie, snapshot, snap, foto, "
    "photography",
    "photograph | photo": "photographic, photorealistic",
    "photo | photograph": "passport photo, id photo, profile picture, film still",
    "oil painting": "oil on canvas, renaissance, impressionist, impressionism, baroque, van gogh, "
    "rembrandt, old master, acrylic painting, renaissance painting, impressionist painting",
    "pencil drawing | pencil sketch": "charcoal sketch, charcoal drawing, ink drawing, ink "
    "painting, ink, line drawing, colored pencil drawing, coloured pencil drawing, pen drawing",
    "pixel art": "8 bit, 8bit, 16 bit, pixelated, retro game",
    "3-d cartoon | cartoon": "comic, comic book, disney, animation, animated, 3d render, 3d, pop "
    "art",
    "watercolour": "watercolor, aquarelle, water colour, water color",
    "manga": "anime",
    "3-d cartoon": "pixar",
    "drawing": "illustration",
    "clean-shaven | ": "clean shaven, clean shave, smooth shaven, close shaven, shaven",
    "looking at the camera | ": "looking at camera, facing camera, looking at the viewer, looking "
    "at viewer, looking into the camera, looking straight ahead, looking straight, looking at "
    "you, facing forward, looking forward, looking into the lens, facing front",
    "turned right | looking right | right": "looking over her shoulder, looking over his shoulder, "
    "seen from the side, from the side, three quarter view, three quarter profile",
    # Phrases of known words that mean something else as a whole and have no equivalent.
    "": "looking at the camera, facing the camera, glass of wine, light bulb, bow tie, red carpet, "
    "bald eagle, straight face, full body, full length, looking good, high neck, good looking, "
    "bad hair day, hair tie, hair band",
}
# "a black man": captions name the colour of skin, and where it is clear the origin.
_PEOPLE = {
    "man": "man, guy, dude, male, gentleman",
    "young man": "boy, lad",
    "woman": "woman, lady, female",
    "young woman": "girl",
    "portrait": "person, people",
}
_SKINS = {"black": ("african", "dark brown skin"), "white": ("european", "fair skin")}


def _table():
    """`SYNONYMS` out of the tables above, a key a word or phrase."""
    synonyms = {}
    for candidates, keys in MEANINGS.items():
        for key in keys.split(", "):
            synonyms.setdefault(key, tuple(candidates.split(" | ") if candidates else ()))
    for noun, keys in _PEOPLE.items():
        for key in keys.split(", "):
            for colour, (origin, skin) in _SKINS.items():
                first, last = noun.rpartition(" ")[::2]
                by_origin = f"{first} {origin} {last}".strip()
                synonyms[f"{colour} {key}"] = (by_origin, f"{noun} with {skin}")
                for young in ("old", "elderly", "young"):
                    age = "young" if young == "young" else "elderly"
                    synonyms[f"{colour} {young} {key}"] = (
                        f"{age} {origin} {last}",
                        f"{age} {last} with {skin}",
                    )
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
    "sex": "man woman person men women male female",
    "age": "young elderly old older middle-aged child teenager twenties thirties forties fifties "
    "sixties seventies eighties nineties",
    "hair": "hair bob fringe curly wavy straight afro bun braids parted swept tied receding "
    "thinning bald shaved short long head standing ponytail",
    "hair colour": "blond auburn copper platinum dyed greying ginger",
    "beard": "beard stubble goatee moustache full",
    "skin": "skin olive fair tan freckles",
    "eyes": "eyes hazel closed",
    "origin": "african asian european",
    "build": "heavy plump fat thin slim",
    "expression": "happy friendly cheerful grinning stern frowning face gentle tired "
    "smiling smile broadly broad faintly slight serious surprised laughing laugh "
    "sad angry calm talking smirking crooked pursing pursed lips mouth open look neutral",
    "clothes": "jacket polo neck shirt t-shirt v-neck top scarf dress coat sweater wearing "
    "striped stripy pinstriped pinstripe checked checkered plaid patterned printed knit ribbed "
    "tweed",
    "glasses and hats": "glasses sunglasses rectangular round aviator cat-eye half-rim "
    "tortoiseshell hat cap baseball beanie woolly knitted wide-brimmed straw headscarf hijab",
    "jewellery": "earrings ear studs hoop pearl necklace",
    "colours": "burgundy "
    "black white grey brown red green blue yellow pink purple orange beige navy teal "
    "rose gold silver light dark deep",
    "background": "background wall brick wooden planks cloth painted mottled plain blurred trees "
    "leaves park sea mountains street city houses cafe room library bookshelf books shelves "
    "indoors outdoors lights",
    "light": "studio window sunlight sun evening night lamp golden warm soft bright hazy dim "
    "overcast dramatic coloured shade",
    "direction": "left right up down front side back turned facing looking",
    "picture": "portrait photograph photo picture close-up shoulders view manga drawing sketch "
    "pencil oil painting watercolour pixel art cartoon 3-d",
    "small words": "a an the and with of in at on by to from before above behind among his her "
    "their very",
}
